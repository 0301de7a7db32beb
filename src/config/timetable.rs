//! Readers of zones and cron expressions. Pure: computing when to fire is `schedule`'s.

use chrono::DateTime;
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use toml::de::DeValue;

use super::value::{Wrong, quote, text};

/// What a cron expression looks like.
const CRON: &str = "write five fields, such as `0 2 * * *` for two o'clock every night, or six with seconds first";

/// An IANA zone.
pub(super) fn zone(value: &DeValue<'_>) -> Result<Tz, Wrong> {
    let name = text(value)?;
    name.parse().map_err(|_| Wrong::new(format!("{} is not a zone", quote(name)), "write an IANA name, such as `Europe/Berlin` or `UTC`"))
}

/// A cron expression of five fields, or six with seconds first, that fires at some time.
pub(super) fn cron(value: &DeValue<'_>) -> Result<String, Wrong> {
    let cron = text(value)?.trim();
    let fields = cron.split_whitespace().count();
    // croner would take `@daily`, and a year as seventh field.
    if !(5..=6).contains(&fields) || cron.contains('@') {
        return Err(Wrong::new(format!("{} has {fields} fields", quote(cron)), CRON));
    }
    if let Some((step, most, field)) = too_long_a_step(cron) {
        let what =
            format!("{} has a step of {step} in its field for {field}, which ends at {most}: it would not mean that interval", quote(cron));
        return Err(Wrong::new(
            what,
            "for a longer interval write a list of times, or a step in the next larger unit, such as `0 */2 * * *`",
        ));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).build();
    let parsed = parser.parse(cron).map_err(|_| Wrong::new(format!("{} is not a cron expression", quote(cron)), CRON))?;
    // From any moment will do: without a year field, what fires at all fires again.
    match parsed.find_next_occurrence(&DateTime::UNIX_EPOCH, false) {
        Ok(_) => Ok(cron.to_owned()),
        Err(_) => Err(Wrong::new(format!("{} never fires", quote(cron)), "write a day that its months have")),
    }
}

/// A step beyond the range that it is for, the largest that would be right, and the field's name. croner takes it, and begins anew in each
/// range: `*/90` would be every hour.
fn too_long_a_step(cron: &str) -> Option<(u32, u32, &'static str)> {
    const FIELDS: [(&str, u32, u32); 6] =
        [("seconds", 0, 59), ("minutes", 0, 59), ("hours", 0, 23), ("days", 1, 31), ("months", 1, 12), ("days of the week", 0, 7)];
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let named = FIELDS.iter().skip(FIELDS.len() - fields.len());
    let too_long = |(field, (name, first, last)): (&&str, &(&'static str, u32, u32))| {
        field.split(',').find_map(|part| {
            let (range, step) = part.split_once('/')?;
            let (step, mut ends) = (step.parse::<u32>().ok()?, range.splitn(2, '-').map(|end| end.parse::<u32>().ok()));
            let (from, to) = (ends.next().flatten().unwrap_or(*first), ends.next().flatten().unwrap_or(*last));
            let most = to.saturating_sub(from) + 1;
            (step > most).then_some((step, most, *name))
        })
    };
    fields.iter().zip(named).find_map(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'static> {
        DeValue::String(text.to_owned().into())
    }

    #[test]
    fn zones_are_those_of_the_iana() {
        assert_eq!(zone(&value("Australia/Lord_Howe")).unwrap(), Tz::Australia__Lord_Howe);
        for text in ["Berlin", "CEST+2", "europe/berlin"] {
            assert_eq!(zone(&value(text)).unwrap_err().wrong, format!("`{text}` is not a zone"));
        }
    }

    #[test]
    fn cron_has_five_fields_or_six() {
        for text in [
            "*/60 * * * *",
            "0 */24 * * *",
            "5-15/10 * * * *",
            "*/7 * * * * *",
            "0 2 * * *",
            "*/15 6-20 * * MON-FRI",
            "30 0 2 * * *",
            "0 0 29 2 *",
            "0 0 L * *",
        ] {
            assert_eq!(cron(&value(text)).unwrap(), text);
        }
        for (text, wrong) in [
            ("0 2 * *", "has 4 fields"),
            ("0 0 2 * * * 2030", "has 7 fields"),
            ("@daily", "has 1 fields"),
            ("60 2 * * *", "is not a cron expression"),
            ("x 2 * * *", "is not a cron expression"),
            ("0 0 30 2 *", "never fires"),
        ] {
            assert_eq!(cron(&value(text)).unwrap_err().wrong, format!("`{text}` {wrong}"));
        }
        for text in ["*/90 * * * *", "0 */36 * * *", "0 0 */40 * *", "0 0 1 */13 *", "*/61 * * * * *", "5-10/20 * * * *", "0,3/90 * * * *"]
        {
            let fault = cron(&value(text)).unwrap_err();
            assert!(fault.wrong.contains("has a step of") && fault.right.contains("0 */2 * * *"), "{text}: {}", fault.wrong);
        }
    }
}
