//! A virtual account: a root, those below it, and so many below each of these. Nothing is kept of them: a row is a copy of a template
//! with other digits, so a page costs next to nothing. Knows no HTTP.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The root's id. Others count on from it.
pub const ROOT: u32 = 1_000_000_000;

/// Stand in a template for the id, for how often the row has changed, and for its number of children.
const ID: &str = "~~~~~~~~~~";
const ROUND: &str = "^^";
const CHILDREN: &str = "%";

/// A row as the vendor writes it, keys in the order of its example.
const AS_SENT: &str = concat!(
    r#"{"profiles":[{"firstName":"Ines ^^","lastName":"Okafor","fields":{"gender":"Female","store":"Pune Camp"},"#,
    r#""identifiers":[{"type":"mobile","value":"91~~~~~~~~~~"},{"type":"email","value":"ines.~~~~~~~~~~@example.com"},"#,
    r#"{"type":"externalId","value":"EMP-~~~~~~~~~~"}],"#,
    r#""commChannels":[{"type":"mobile","value":"91~~~~~~~~~~","primary":true,"verified":false,"#,
    r#""meta":{"residence":false,"office":false},"attributes":{}},"#,
    r#"{"type":"email","value":"ines.~~~~~~~~~~@example.com","primary":true,"verified":false,"#,
    r#""meta":{"residence":false,"office":false},"attributes":{}}],"#,
    r#""source":"INSTORE","userId":~~~~~~~~~~,"accountId":"","conflictingProfileList":[],"autoUpdateTime":"2025-03-02T08:15:^^Z","#,
    r#""identifiersAll":[{"type":"mobile","value":"91~~~~~~~~~~"},{"type":"email","value":"ines.~~~~~~~~~~@example.com"},"#,
    r#"{"type":"externalId","value":"EMP-~~~~~~~~~~"}]}],"#,
    r#""extendedFields":{"city":"Pune","state":"Maharashtra","pincode":"411001","country":"India","dob":"1988-04-12","#,
    r#""anniversary":"2012-02-29","language":"Marathi","designation":"Promoter","zone":"West","employer":"Okafor & Sons"},"#,
    r#""roleCode":"Promoter","createdDate":"2024-11-18T10:02:11Z","noOfChildren":%,"defaultChild":false}"#,
);

/// The same, the keys of every object the other way round.
const TURNED: &str = concat!(
    r#"{"defaultChild":false,"noOfChildren":%,"createdDate":"2024-11-18T10:02:11Z","roleCode":"Promoter","#,
    r#""extendedFields":{"employer":"Okafor & Sons","zone":"West","designation":"Promoter","language":"Marathi","#,
    r#""anniversary":"2012-02-29","dob":"1988-04-12","country":"India","pincode":"411001","state":"Maharashtra","city":"Pune"},"#,
    r#""profiles":[{"identifiersAll":[{"value":"91~~~~~~~~~~","type":"mobile"},{"value":"ines.~~~~~~~~~~@example.com","type":"email"},"#,
    r#"{"value":"EMP-~~~~~~~~~~","type":"externalId"}],"#,
    r#""autoUpdateTime":"2025-03-02T08:15:^^Z","conflictingProfileList":[],"accountId":"","userId":~~~~~~~~~~,"source":"INSTORE","#,
    r#""commChannels":[{"attributes":{},"meta":{"office":false,"residence":false},"#,
    r#""verified":false,"primary":true,"value":"91~~~~~~~~~~","type":"mobile"},"#,
    r#"{"attributes":{},"meta":{"office":false,"residence":false},"#,
    r#""verified":false,"primary":true,"value":"ines.~~~~~~~~~~@example.com","type":"email"}],"#,
    r#""identifiers":[{"value":"91~~~~~~~~~~","type":"mobile"},{"value":"ines.~~~~~~~~~~@example.com","type":"email"},"#,
    r#"{"value":"EMP-~~~~~~~~~~","type":"externalId"}],"#,
    r#""fields":{"store":"Pune Camp","gender":"Female"},"lastName":"Okafor","firstName":"Ines ^^"}]}"#,
);

/// A row, and where in it the digits stand.
struct Template {
    text: &'static [u8],
    ids: Vec<usize>,
    rounds: Vec<usize>,
    children: Vec<usize>,
}

impl Template {
    fn new(text: &'static str) -> Self {
        let places = |mark: &str| -> Vec<usize> { text.match_indices(mark).map(|(at, _)| at).collect() };
        Self { text: text.as_bytes(), ids: places(ID), rounds: places(ROUND), children: places(CHILDREN) }
    }
}

/// Its nodes have numbers: the root 0, those right below it from 1 on, then those below these.
pub struct Account {
    wide: u32,
    below_each: u32,
    /// One row in so many has changed.
    every: AtomicU32,
    /// How often something has.
    round: AtomicU32,
    is_turned: AtomicBool,
    as_sent: Template,
    turned: Template,
}

impl Account {
    pub fn new(wide: u32, below_each: u32) -> Self {
        let (every, round, is_turned) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        Self { wide, below_each, every, round, is_turned, as_sent: Template::new(AS_SENT), turned: Template::new(TURNED) }
    }

    /// All nodes but the root.
    pub fn rows(&self) -> u32 {
        self.wide * (1 + self.below_each)
    }

    /// Changes one row in so many, if any: those that were changed before must be among them. The keys of all stand in this order.
    pub fn change(&self, every: u32, is_turned: bool) {
        if every > 0 {
            self.every.store(every, Ordering::SeqCst);
            self.round.fetch_add(1, Ordering::SeqCst);
        }
        self.is_turned.store(is_turned, Ordering::SeqCst);
    }

    /// Appends the page that shows some of a node's children.
    pub fn append_page(&self, parent: u32, offset: u32, limit: u32, to: &mut Vec<u8>) {
        let (before, many) = if parent == 0 { (0, self.wide) } else { (self.wide + (parent - 1) * self.below_each, self.below_each) };
        let (from, until) = (offset.min(many), offset.saturating_add(limit).min(many));
        to.extend_from_slice(br#"{"entity":{"customers":["#);
        for place in from..until {
            if place > from {
                to.push(b',');
            }
            self.append_row(before + place + 1, to);
        }
        let end = format!(r#"],"count":{many},"errors":[],"warnings":[]}},"warnings":[],"errors":[],"success":true}}"#);
        to.extend_from_slice(end.as_bytes());
    }

    /// Appends a node's row.
    pub fn append_row(&self, number: u32, to: &mut Vec<u8>) {
        let template = if self.is_turned.load(Ordering::Relaxed) { &self.turned } else { &self.as_sent };
        let has_changed = number.is_multiple_of(self.every.load(Ordering::Relaxed));
        let round = if has_changed { self.round.load(Ordering::Relaxed) } else { 0 };
        let children = if number <= self.wide { self.below_each } else { 0 };
        let begin = to.len();
        to.extend_from_slice(template.text);
        let row = &mut to[begin..];
        put(row, &template.ids, digits::<10>(ROOT + number));
        put(row, &template.rounds, digits::<2>(round));
        put(row, &template.children, digits::<1>(children));
    }
}

/// The external id of the root, by which it is asked for.
pub fn root_identifier() -> String {
    format!("EMP-{ROOT}")
}

/// Whose external id this is.
pub fn number_of(identifier: &str) -> Option<u32> {
    identifier.strip_prefix("EMP-")?.parse::<u32>().ok()?.checked_sub(ROOT)
}

fn put<const WIDTH: usize>(row: &mut [u8], places: &[usize], digits: [u8; WIDTH]) {
    for place in places {
        row[*place..*place + WIDTH].copy_from_slice(&digits);
    }
}

/// The last digits of a number.
fn digits<const WIDTH: usize>(mut number: u32) -> [u8; WIDTH] {
    let mut digits = [b'0'; WIDTH];
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(number % 10).unwrap();
        number /= 10;
    }
    digits
}
