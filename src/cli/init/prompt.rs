//! What is asked, and how.

use dialoguer::{Confirm, Input, Password, Select};
use secrecy::SecretString;

use super::draft::{Draft, Kind, QUESTIONS};

/// Asks for the database and for each source; what was answered before is suggested.
pub fn ask(draft: &mut Draft) -> anyhow::Result<()> {
    let url = text("Postgres URL (none: a private server of its own)", Some(draft.database()), |answer| draft.try_database(answer))?;
    draft.set_database(&url);
    let mut place = 0;
    loop {
        let kind = Kind::of(choose(&format!("Vendor of source {}", place + 1), &Kind::NAMES, draft.vendor(place))?);
        draft.begin(place, kind);
        for question in QUESTIONS.iter().filter(|question| question.of.is_none_or(|of| of == kind)) {
            if question.is_moot(draft, place) {
                draft.leave_out(place, question);
                continue;
            }
            let suggested = draft.suggested(place, question);
            let answer = text(question.prompt, suggested.as_deref(), |answer| draft.try_answer(place, question, answer))?;
            draft.answer(place, question, &answer);
        }
        place += 1;
        if !confirm("Another source?", draft.has(place))? {
            draft.end(place);
            return Ok(());
        }
    }
}

/// Asks for a line that `is_right`.
pub fn text(prompt: &str, suggested: Option<&str>, is_right: impl Fn(&str) -> Result<(), String>) -> anyhow::Result<String> {
    let mut input = Input::<String>::new().with_prompt(prompt).validate_with(|answer: &String| is_right(answer.trim()));
    if let Some(suggested) = suggested {
        input = input.default(suggested.to_owned());
    }
    Ok(input.interact_text()?.trim().to_owned())
}

/// Asks which; this place is suggested.
pub fn choose(prompt: &str, items: &[&str], suggested: usize) -> anyhow::Result<usize> {
    Ok(Select::new().with_prompt(prompt).items(items.iter().copied()).default(suggested).interact()?)
}

/// Asks whether.
pub fn confirm(prompt: &str, suggested: bool) -> anyhow::Result<bool> {
    Ok(Confirm::new().with_prompt(prompt).default(suggested).interact()?)
}

/// Asks for what is not shown, and may be empty.
pub fn secret(prompt: &str) -> anyhow::Result<SecretString> {
    Ok(Password::new().with_prompt(prompt).allow_empty_password(true).interact()?.into())
}
