//! A config as it grows: the annotated example, with the answers in it.

use std::collections::BTreeMap;

use serde_json::json;

use crate::config::{fault::Fault, read, secrets::variable};

/// What stands for an answer that is left out.
pub const NONE: &str = "none";

/// The vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Customers.
    Capillary,
    /// Users.
    LeadSquared,
}

impl Kind {
    /// As they are offered.
    pub const NAMES: [&'static str; 2] = ["Capillary: customers and their children", "LeadSquared: users and who reports to them"];

    /// The one at this place of [`Kind::NAMES`].
    pub fn of(place: usize) -> Self {
        if place == 0 { Self::Capillary } else { Self::LeadSquared }
    }
}

/// What is asked of a source.
pub struct Question {
    /// Its key in the config.
    key: &'static str,
    /// Of this vendor only.
    pub of: Option<Kind>,
    /// As it is asked.
    pub prompt: &'static str,
    /// The answer as the file has it.
    write: fn(&str) -> String,
    /// The example's own value may be taken.
    has_default: bool,
}

/// In the order in which they are asked.
pub const QUESTIONS: [Question; 10] = [
    Question { key: "name", of: None, prompt: "Its name in tables, logs and secrets", write: quoted, has_default: true },
    Question { key: "base_url", of: None, prompt: "Host of its API", write: host, has_default: true },
    Question {
        key: "roots",
        of: Some(Kind::Capillary),
        prompt: "Roots: customers below whom to mirror, such as mobile=910000000010, externalId=A-1",
        write: identifiers,
        has_default: false,
    },
    Question { key: "auth", of: Some(Kind::Capillary), prompt: "Signs in by basic or oauth", write: quoted, has_default: true },
    Question { key: "till", of: Some(Kind::Capillary), prompt: "Id of the till", write: quoted, has_default: false },
    Question {
        key: "roots",
        of: Some(Kind::LeadSquared),
        prompt: "Roots: UserIds of the users below whom to mirror, with commas between",
        write: list,
        has_default: false,
    },
    Question {
        key: "hierarchy_path",
        of: Some(Kind::LeadSquared),
        prompt: "Path of Get User Hierarchy Information below the host, from the vendor's page",
        write: quoted,
        has_default: false,
    },
    Question { key: "limits", of: None, prompt: "What the vendor allows, calls/window", write: list, has_default: true },
    Question { key: "schedule", of: None, prompt: "When to read it: cron, or none for by hand only", write: quoted, has_default: true },
    Question { key: "timezone", of: None, prompt: "Zone of that schedule, or none for the daemon's", write: quoted, has_default: false },
];

impl Question {
    /// Other answers make it pointless.
    pub fn is_moot(&self, draft: &Draft, place: usize) -> bool {
        let is = |key: &str, answer: &str| draft.sources[place].answers.get(key).is_some_and(|given| given == answer);
        (self.key == "till" && !is("auth", "basic")) || (self.key == "timezone" && is("schedule", NONE))
    }
}

/// The answers so far, and what they make of the example.
pub struct Draft {
    head: String,
    blocks: [String; 2],
    url: String,
    sources: Vec<Source>,
}

struct Source {
    kind: Kind,
    answers: BTreeMap<&'static str, String>,
    block: String,
}

impl Draft {
    /// The example's head, and its block of each vendor.
    pub fn new(example: &str) -> Self {
        let mut parts = example.splitn(3, "\n\n\n").map(str::to_owned);
        let mut part = || parts.next().unwrap_or_default();
        Self { head: part(), blocks: [part(), part()], url: NONE.to_owned(), sources: Vec::new() }
    }

    /// The database as it was answered.
    pub fn database(&self) -> &str {
        &self.url
    }

    /// Whether this may be the database.
    pub fn try_database(&self, url: &str) -> Result<(), String> {
        right(&format!("{}\n\n\n{}", with_database(&self.head, url), self.blocks[0]))
    }

    /// This is it.
    pub fn set_database(&mut self, url: &str) {
        url.clone_into(&mut self.url);
    }

    /// The next answers are of this source.
    pub fn begin(&mut self, place: usize, kind: Kind) {
        let block = self.blocks[usize::from(kind == Kind::LeadSquared)].clone();
        match self.sources.get_mut(place) {
            Some(source) if source.kind == kind => source.block = block,
            Some(source) => *source = Source { kind, answers: BTreeMap::new(), block },
            None => self.sources.push(Source { kind, answers: BTreeMap::new(), block }),
        }
    }

    /// Whether there are answers of this source.
    pub fn has(&self, place: usize) -> bool {
        place < self.sources.len()
    }

    /// Its place in [`Kind::NAMES`], as it was answered.
    pub fn vendor(&self, place: usize) -> usize {
        self.sources.get(place).map_or(0, |source| usize::from(source.kind == Kind::LeadSquared))
    }

    /// There are no more sources than these.
    pub fn end(&mut self, places: usize) {
        self.sources.truncate(places);
    }

    /// What was answered before, or what the example has.
    pub fn suggested(&self, place: usize, question: &Question) -> Option<String> {
        let source = &self.sources[place];
        let of_example = || question.has_default.then(|| value_of(&source.block, question.key)).flatten();
        let nothing = || (question.key == "timezone").then(|| NONE.to_owned());
        source.answers.get(question.key).cloned().or_else(of_example).or_else(nothing)
    }

    /// Whether this may be the answer, beside what was answered so far.
    pub fn try_answer(&self, place: usize, question: &Question, answer: &str) -> Result<(), String> {
        let before: String = self.sources[..place].iter().map(|source| format!("\n\n\n{}", source.block)).collect();
        right(&format!("{}{before}\n\n\n{}", self.head, filled(&self.sources[place].block, question, answer)))
    }

    /// This is the answer.
    pub fn answer(&mut self, place: usize, question: &Question, answer: &str) {
        let source = &mut self.sources[place];
        source.block = filled(&source.block, question, answer);
        source.answers.insert(question.key, answer.to_owned());
    }

    /// Not asked: its key is commented out.
    pub fn leave_out(&mut self, place: usize, question: &Question) {
        let source = &mut self.sources[place];
        source.block = with(&source.block, question.key, &None);
    }

    /// The file.
    pub fn text(&self) -> String {
        let blocks: Vec<&str> = self.sources.iter().map(|source| source.block.trim_end()).collect();
        format!("{}\n\n\n{}\n", with_database(&self.head, &self.url), blocks.join("\n\n\n"))
    }
}

/// A source's block with this answer in it.
fn filled(block: &str, question: &Question, answer: &str) -> String {
    let filled = with(block, question.key, &of_answer(question, answer));
    match question.key {
        // The example has a till, which only one way of signing in wants.
        "auth" if answer != "basic" => with(&filled, "till", &None),
        "name" => renamed(&filled, &value_of(block, "name").unwrap_or_default(), answer),
        _ => filled,
    }
}

/// The block with another source's name in its comments: of secrets, of their variables, of the budget.
fn renamed(block: &str, old: &str, new: &str) -> String {
    let of = |name: &str| [format!("`{name}."), format!("{}_", variable(name)), format!("# budget = {}", quoted(name))];
    of(old).iter().zip(of(new)).fold(block.to_owned(), |block, (old, new)| block.replace(old, &new))
}

fn of_answer(question: &Question, answer: &str) -> Option<String> {
    (answer != NONE).then(|| (question.write)(answer))
}

fn with_database(head: &str, url: &str) -> String {
    with(head, "url", &(url != NONE).then(|| quoted(url)))
}

/// The text with this value at the key's line, or with that line commented out.
fn with(text: &str, key: &str, value: &Option<String>) -> String {
    let set = |line: &str| match (value, bare(line, key)) {
        (_, None) => line.to_owned(),
        (Some(value), Some(_)) => format!("{key} = {value}"),
        (None, Some(old)) => format!("# {key} = {old}"),
    };
    text.lines().map(set).collect::<Vec<_>>().join("\n")
}

/// What stands at the key, be it commented out or not.
fn bare<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix("# ").unwrap_or(line).strip_prefix(key)?.strip_prefix(" = ")
}

/// The same as it would be answered.
fn value_of(block: &str, key: &str) -> Option<String> {
    let value = block.lines().find_map(|line| bare(line, key))?;
    Some(value.trim_matches(['[', ']']).replace('"', ""))
}

/// `Err` says what is wrong with a file: only the latest answer can be.
fn right(text: &str) -> Result<(), String> {
    let Err(faults) = read::read(text) else { return Ok(()) };
    let told = |fault: &Fault| format!("{}: {}; {}", fault.key.splitn(3, '.').last().unwrap_or_default(), fault.wrong, fault.right);
    Err(faults.0.first().map_or_else(String::new, told))
}

fn quoted(text: &str) -> String {
    json!(text).to_string()
}

fn host(text: &str) -> String {
    quoted(&if text.contains("://") { text.to_owned() } else { format!("https://{text}") })
}

fn list(text: &str) -> String {
    json!(pieces(text).collect::<Vec<_>>()).to_string()
}

fn identifiers(text: &str) -> String {
    let root = |piece: &str| {
        let (kind, value) = piece.split_once('=').unwrap_or(("", piece));
        format!("{{ type = {}, value = {} }}", quoted(kind.trim()), quoted(value.trim()))
    };
    format!("[{}]", pieces(text).map(root).collect::<Vec<_>>().join(", "))
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{super::EXAMPLE, *};

    fn answered(draft: &mut Draft, place: usize, kind: Kind, answers: &[(&str, &str)]) {
        draft.begin(place, kind);
        for question in QUESTIONS.iter().filter(|question| question.of.is_none_or(|of| of == kind)) {
            if question.is_moot(draft, place) {
                draft.leave_out(place, question);
                continue;
            }
            let given = answers.iter().find(|(key, _)| *key == question.key).map(|(_, answer)| (*answer).to_owned());
            let answer = given.or_else(|| draft.suggested(place, question)).unwrap_or_else(|| panic!("{} is asked for", question.key));
            draft.try_answer(place, question, &answer).unwrap_or_else(|why| panic!("{}: {why}", question.key));
            draft.answer(place, question, &answer);
        }
    }

    #[test]
    fn what_is_answered_stands_in_the_file_and_can_be_read() {
        let mut draft = Draft::new(EXAMPLE);
        draft.set_database("postgres://h@db/w");
        let of_customers =
            [("roots", "mobile=91, externalId=A \"1\""), ("auth", "oauth"), ("base_url", "eu.example.com"), ("schedule", NONE)];
        answered(&mut draft, 0, Kind::Capillary, &of_customers);
        let of_users = [
            ("name", "sales-eu"),
            ("roots", "3b2f8c1e-5d74-4a6b-9e0f-2c8d1a7b6e50"),
            ("hierarchy_path", "/v2/x"),
            ("timezone", "Asia/Kolkata"),
        ];
        answered(&mut draft, 1, Kind::LeadSquared, &of_users);
        let text = draft.text();
        let config = read::read(&text).unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        assert_eq!(config.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>(), ["customers", "sales-eu"]);
        assert_eq!(config.database.url.unwrap().as_str(), "postgres://h@db/w");
        assert!(config.sources[0].schedule.is_none() && config.sources[1].schedule.is_some());
        for line in [
            "roots = [{ type = \"mobile\", value = \"91\" }, { type = \"externalId\", value = \"A \\\"1\\\"\" }]",
            "base_url = \"https://eu.example.com\"",
            "# till = \"example.till01\"",
            "limits = [\"100/1m\"]",
            "timezone = \"Asia/Kolkata\"",
            "# budget = \"sales-eu\"",
            "# Secrets: `sales-eu.access_key` and `sales-eu.secret_key`, or HIERSYNC_SALES_EU_ACCESS_KEY and HIERSYNC_SALES_EU_SECRET_KEY.",
            "# Share of the limits left to other users of the account: 0.0 to below 1.0.",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_wrong_answer_is_told_when_it_is_given() {
        let mut draft = Draft::new(EXAMPLE);
        assert!(draft.try_database("mysql://x").unwrap_err().contains("postgres://"));
        assert_eq!(draft.try_database(NONE), Ok(()));
        draft.begin(0, Kind::Capillary);
        for (key, answer, why) in [
            ("name", "Customers!", "a to z"),
            ("base_url", "http://example.com", "https"),
            ("roots", "91", "type"),
            ("roots", "", "empty"),
            ("roots", NONE, "missing"),
            ("auth", "magic", "basic"),
            ("limits", "25", "25/5s"),
            ("schedule", "0 25 * * *", "cron"),
            ("timezone", "Berlin", "IANA"),
        ] {
            let question = QUESTIONS.iter().find(|question| question.key == key).unwrap();
            let told = draft.try_answer(0, question, answer).unwrap_err();
            assert!(told.contains(why), "{key}: {told}");
        }
    }
}
