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
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).build();
    let parsed = parser.parse(cron).map_err(|_| Wrong::new(format!("{} is not a cron expression", quote(cron)), CRON))?;
    // From any moment will do: without a year field, what fires at all fires again.
    match parsed.find_next_occurrence(&DateTime::UNIX_EPOCH, false) {
        Ok(_) => Ok(cron.to_owned()),
        Err(_) => Err(Wrong::new(format!("{} never fires", quote(cron)), "write a day that its months have")),
    }
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
        for text in ["0 2 * * *", "*/15 6-20 * * MON-FRI", "30 0 2 * * *", "0 0 29 2 *", "0 0 L * *"] {
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
    }
}
