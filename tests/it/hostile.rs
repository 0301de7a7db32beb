//! Whatever a vendor sends lands, or is refused with a clear finding while the rest of its page lands; the second walk is quiet,
//! and a later change tells nothing but itself: what was stored reads back as it was sent.

use hiersync::simulator::{
    answer::Answer,
    capillary::{CapillarySim, make::Flavour, settings::CapillarySettings, world::CapillaryWorld},
    leadsquared::{
        LeadSquaredSim,
        settings::{LeadSquaredSettings, UnknownUser},
        world::LeadSquaredWorld,
    },
    mishap::Mishap,
    shape::Shape,
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{
    case::{Case, WANTED},
    tables::{count, places},
};

const FOREVER: usize = 1_000_000;
/// A person's name that must never leave the tables.
const NAME: &str = "Zorro";
const JSON: &str = "application/json;charset=utf-8";

/// What must become of a row.
enum Fate {
    /// It lands, with findings of these kinds about it, and these values in its tables.
    Lands(&'static [&'static str], Vec<(&'static str, Value)>),
    /// It alone is refused, with these words.
    Refused(&'static str),
}

/// A vendor whose root has some lists of two rows each, all of which are answered as a test wishes.
struct Stage {
    vendor: Vendor,
    case: Case,
    pool: PgPool,
    /// Whose lists they are.
    parents: Vec<String>,
}

enum Vendor {
    Capillary(CapillarySim),
    LeadSquared(LeadSquaredSim),
}

impl Stage {
    async fn capillary(lists: usize, more: &str) -> Self {
        let mut world = CapillaryWorld::new(51, Flavour::PLAIN);
        let root = world.plant(&two_below_each(lists));
        let parents = world.children(root).iter().map(i64::to_string).collect();
        let vendor = CapillarySim::start(world, CapillarySettings::default()).await.unwrap();
        let case = Case::new().await.customers(&vendor, &format!("concurrency = 64\n{more}"));
        let pool = case.pool().await;
        Self { vendor: Vendor::Capillary(vendor), case, pool, parents }
    }

    async fn leadsquared(lists: usize, more: &str) -> Self {
        let mut world = LeadSquaredWorld::new(51, hiersync::simulator::leadsquared::make::Flavour::PLAIN);
        let root = world.plant(&two_below_each(lists));
        let parents = world.reports(root).iter().map(ToString::to_string).collect();
        let settings = LeadSquaredSettings { unknown_user: UnknownUser::EmptyList, ..LeadSquaredSettings::default() };
        let vendor = LeadSquaredSim::start(world, settings).await.unwrap();
        let case = Case::new().await.users(&vendor, &format!("concurrency = 64\nreach = \"direct\"\n{more}"));
        let pool = case.pool().await;
        Self { vendor: Vendor::LeadSquared(vendor), case, pool, parents }
    }

    /// From now on, the lists are answered so.
    fn answer(&self, answers: impl IntoIterator<Item = Mishap>) {
        let faults = match &self.vendor {
            Vendor::Capillary(vendor) => vendor.faults(),
            Vendor::LeadSquared(vendor) => vendor.faults(),
        };
        faults.clear();
        for (parent, answer) in self.parents.iter().zip(answers) {
            faults.on_parent(parent, FOREVER, answer);
        }
    }

    /// A list of these two rows.
    fn page(&self, rows: [&str; 2]) -> String {
        match self.vendor {
            Vendor::Capillary(_) => format!(r#"{{"entity": {{"customers": [{}]}}, "success": true}}"#, rows.join(",")),
            Vendor::LeadSquared(_) => format!(r#"{{"SearchInfo": {{"TotalUsers": 2}}, "Users": [{}]}}"#, rows.join(",")),
        }
    }

    /// The id of the row at this place, from 0, of this list.
    fn id(&self, list: usize, place: usize) -> String {
        match self.vendor {
            Vendor::Capillary(_) => (800_000_000 + 10 * list + place).to_string(),
            Vendor::LeadSquared(_) => format!("aaaaaaaa-0000-4000-8000-{:012x}", 10 * list + place),
        }
    }

    /// A row that nobody could complain of.
    fn plain(&self, list: usize, place: usize) -> String {
        let id = self.id(list, place);
        match self.vendor {
            Vendor::Capillary(_) => format!(r#"{{"profiles": [{{"userId": {id}, "firstName": "{NAME}"}}], "noOfChildren": 0}}"#),
            Vendor::LeadSquared(_) => format!(r#"{{"UserId": "{id}", "Name": "{NAME}"}}"#),
        }
    }

    /// All that the tables hold of one node, or null.
    async fn stored(&self, id: &str) -> Value {
        let sql = match self.vendor {
            Vendor::Capillary(_) => {
                "select to_jsonb(c) || jsonb_build_object(
                     'at', to_char(auto_update_time at time zone 'UTC', 'FXYYYY-MM-DD HH24:MI:SS.US'),
                     'created', to_char(created_at at time zone 'UTC', 'FXYYYY-MM-DD HH24:MI:SS.US'),
                     'profiles', (select jsonb_agg(to_jsonb(p) order by profile_no) from hiersync.customer_profile p
                         where (p.source_id, p.customer_id) = (c.source_id, c.customer_id)),
                     'identifiers', (select jsonb_agg(to_jsonb(i) order by identifier_no) from hiersync.customer_identifier i
                         where (i.source_id, i.customer_id) = (c.source_id, c.customer_id)))
                 from hiersync.customer c where customer_id::text = $1 and retired_at is null"
            }
            Vendor::LeadSquared(_) => {
                "select to_jsonb(u) || jsonb_build_object('at', to_char(auto_update_time at time zone 'UTC', 'FXYYYY-MM-DD HH24:MI:SS.US'))
                 from hiersync.reporting_user u where user_id::text = $1 and retired_at is null"
            }
        };
        sqlx::query_scalar(sql).bind(id).fetch_optional(&self.pool).await.unwrap().unwrap_or_default()
    }

    /// Syncs, which must come to its end and retire nobody, and tells where every mirrored row lies then.
    async fn sync(&self) -> String {
        let report = self.case.sync_with(WANTED).await;
        let row = report.row.expect("the run's row");
        assert!(report.cause.is_none() && row.error.is_none() && row.retired == 0, "{row:?}");
        assert!(self.told().await.iter().all(|told| !format!("{told:?}").contains(NAME)), "a finding tells a person's name");
        places(&self.pool).await
    }

    /// Kind, key and words of the open findings.
    async fn told(&self) -> Vec<(String, String, String)> {
        let sql = "select kind, key, detail ->> 'say' from hiersync.finding where resolved_at is null order by 1, 2";
        sqlx::query_as(sql).fetch_all(&self.pool).await.unwrap()
    }

    /// What no column can hold is told once for each field, whatever the rows.
    async fn tells_of_fields(&self, fields: &[&str]) {
        let told = self.told().await.into_iter().filter(|(kind, ..)| ["bad_time", "odd_value"].contains(&kind.as_str()));
        assert_eq!(told.map(|(kind, field, _)| format!("{kind} {field}")).collect::<Vec<_>>(), fields);
    }

    /// Kinds of the open findings about this key and what stands below it, with what they say.
    async fn told_of(&self, key: &str) -> Vec<(String, String)> {
        let is_about = |told: &str| told == key || told.strip_prefix(key).is_some_and(|rest| rest.starts_with(' '));
        self.told().await.into_iter().filter(|(_, told, _)| is_about(told)).map(|(kind, _, say)| (kind, say)).collect()
    }
}

/// So many lists of two below the root.
fn two_below_each(lists: usize) -> Shape {
    let below = (0..lists).flat_map(|list| [Some(list), Some(list)]);
    Shape::of(std::iter::repeat_n(None, lists).chain(below).collect())
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn whole_text(text: impl Into<Vec<u8>>) -> Mishap {
    Answer::raw(200, JSON, text).into()
}

/// Each row first in a list of its own, with a plain one after it.
async fn each_row_meets_its_fate(stage: &Stage, rows: Vec<(String, Fate)>, (mark, change): (&str, &str), told: Value) {
    let bodies = |edit: &dyn Fn(&str) -> String| -> Vec<Mishap> {
        let list = |(list, (row, _)): (usize, &(String, Fate))| whole_text(stage.page([&edit(row), &stage.plain(list, 1)]));
        rows.iter().enumerate().map(list).collect()
    };
    assert_eq!(stage.parents.len(), rows.len(), "as many lists as rows");
    stage.answer(bodies(&|row| row.to_owned()));
    let first = stage.sync().await;
    for (list, (row, fate)) in rows.iter().enumerate() {
        let row: String = row.chars().take(300).collect();
        assert!(stage.stored(&stage.id(list, 1)).await.is_object(), "the other row of the page is lost: {row}");
        let (stored, about) = (stage.stored(&stage.id(list, 0)).await, stage.told_of(&stage.id(list, 0)).await);
        let refused = stage.told_of(&stage.parents[list]).await;
        match fate {
            Fate::Lands(kinds, values) => {
                assert!(stored.is_object(), "it did not land: {row}: {refused:?}");
                assert_eq!(about.iter().map(|(kind, _)| kind).collect::<Vec<_>>(), kinds.iter().collect::<Vec<_>>(), "{row}: {about:?}");
                assert_eq!(refused, [], "{row}");
                for (pointer, expected) in values {
                    assert_eq!(stored.pointer(pointer).unwrap_or(&Value::Null), expected, "{pointer} of {row}");
                }
            }
            Fate::Refused(words) => {
                assert!(stored.is_null() && about.is_empty(), "{row}");
                assert_eq!(refused.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["bad_row", "list_unreadable"], "{row}");
                assert!(refused[0].1.starts_with("row 1 of the list could not be read: ") && refused[0].1.contains(words), "{refused:?}");
            }
        }
    }
    assert_eq!(stage.sync().await, first, "the same again was written");

    stage.answer(bodies(&|row| row.replacen(mark, change, 1)));
    stage.sync().await;
    let changed: Vec<(String, Value)> =
        sqlx::query_as("select key, fields from hiersync.change where op = 'update'").fetch_all(&stage.pool).await.unwrap();
    for (key, fields) in &changed {
        assert_eq!(*fields, told, "what was stored of {key} does not read back as it was sent");
    }
    let landed = rows.iter().filter(|(row, fate)| matches!(fate, Fate::Lands(..)) && row.contains(mark)).count();
    assert_eq!(changed.len(), landed);
}

const REPLACED: &[&str] = &["text_replaced"];
const KEPT: &[&str] = &["kept_as_text"];

/// Rows that are made one after the other, each for the list of its number.
struct Rows<'a> {
    stage: &'a Stage,
    made: Vec<(String, Fate)>,
}

impl Rows<'_> {
    /// One more, from its own id.
    fn add(&mut self, make: &dyn Fn(&str) -> String, fate: Fate) {
        let id = self.stage.id(self.made.len(), 0);
        self.made.push((make(&id), fate));
    }
}

fn lands(kinds: &'static [&'static str], values: &[(&'static str, Value)]) -> Fate {
    Fate::Lands(kinds, values.to_vec())
}

fn customer(id: &str, profile: &str, row: &str) -> String {
    format!(r#"{{"profiles": [{{"userId": {id}, "firstName": "{NAME}"{profile}}}], "noOfChildren": 0{row}}}"#)
}

/// What can stand in a customer's row.
fn customers(stage: &Stage) -> Vec<(String, Fate)> {
    let mut rows = Rows { stage, made: Vec::new() };
    for add in [customer_texts, customer_sizes, customer_nesting, customer_numbers, customer_ids, customer_shapes, customer_times] {
        add(&mut rows);
    }
    rows.made
}

/// Texts that Postgres or JSON cannot hold.
fn customer_texts(rows: &mut Rows<'_>) {
    rows.add(&|id| customer(id, r#", "lastName": "a\u0000b""#, ""), lands(REPLACED, &[("/last_name", json!("a\u{FFFD}b"))]));
    rows.add(&|id| customer(id, r#", "lastName": "\ud800x\uDFFF""#, ""), lands(REPLACED, &[("/last_name", json!("\u{FFFD}x\u{FFFD}"))]));
    let fields = r#", "extendedFields": {"k\u0000": {"x": ["\udfff", {"\ud800": 1, "k\u0000": 2, "k\ufffd": 3}]}}"#;
    let mended = json!({"k\u{FFFD}": {"x": ["\u{FFFD}", {"\u{FFFD}": 1, "k\u{FFFD}": 2, "k\u{FFFD}2": 3}]}});
    rows.add(&|id| customer(id, "", fields), lands(REPLACED, &[("/extended_fields", mended)]));
    rows.add(
        &|id| customer(id, r#", "identifiers": [{"type": "mo\u0000", "value": "\ud800", "x\u0000": "\u0000"}]"#, ""),
        lands(
            REPLACED,
            &[
                ("/identifiers/0/type", json!("mo\u{FFFD}")),
                ("/identifiers/0/value", json!("\u{FFFD}")),
                ("/extra/profiles/1/identifiers/1", json!({"x\u{FFFD}": "\u{FFFD}"})),
            ],
        ),
    );
    rows.add(
        &|id| customer(id, "", r#", "\u0000\ud800": {"\u0000": "\u0000"}"#),
        lands(REPLACED, &[("/extra/\u{FFFD}\u{FFFD}", json!({"\u{FFFD}": "\u{FFFD}"}))]),
    );
    rows.add(&|id| customer(id, r#", "lastName": "\\u0000 \\ud800""#, ""), lands(&[], &[("/last_name", json!("\\u0000 \\ud800"))]));
}

/// Ten megabytes, and identifiers by which nobody can be asked for.
fn customer_sizes(rows: &mut Rows<'_>) {
    let (huge, large) = ("h".repeat(10 << 20), "h".repeat(1 << 16));
    // Not changed later: unoptimised, ten megabytes take their time.
    rows.add(
        &|id| customer(id, &format!(r#", "lastName": "{huge}""#), "").replace("noOfChildren\": 0", "noOfChildren\":0"),
        lands(&[], &[("/last_name", json!(huge))]),
    );
    rows.add(&|id| customer(id, "", &format!(r#", "extendedFields": {{"{large}": "x"}}"#)), lands(&[], &[]));
    rows.add(
        &|id| customer(id, &format!(r#", "identifiers": [{{"type": "mobile", "value": "{large}"}}]"#), ""),
        lands(&[], &[("/mobile", json!(large))]),
    );
    rows.add(
        &|id| {
            customer(id, &format!(r#", "identifiers": [{{"type": "mobile", "value": "{large}"}}]"#), "")
                .replace(r#"Children": 0"#, r#"Children": 3"#)
        },
        lands(&["cannot_ask"], &[("/no_of_children", json!(3))]),
    );
}

/// Nesting, also where what is kept lies deeper than what was sent.
fn customer_nesting(rows: &mut Rows<'_>) {
    for levels in [100_usize, 121, 126, 10_000] {
        let deep = nested(levels);
        rows.add(&|id| customer(id, "", &format!(r#", "x": {deep}"#)), lands(KEPT, &[]));
        rows.add(&|id| customer(id, &format!(r#", "identifiers": [{{"type": "x", "value": "1", "x": {deep}}}]"#), ""), lands(KEPT, &[]));
        rows.add(&|id| customer(id, &format!(r#", "commChannels": {deep}, "fields": {{"y": {deep}}}"#), ""), lands(KEPT, &[]));
    }
}

/// Numbers beyond what can be held, and in odd places.
fn customer_numbers(rows: &mut Rows<'_>) {
    let sent = r#", "extendedFields": {"a": 1e999, "b": 12345678901234567890123, "c": 1e30, "d": -0, "e": 1.0, "f": 0.1000000000000000055,
        "g": 1e17, "h": 18446744073709551615, "i": 5e-324, "j": 1.7976931348623157e308, "k": 0.30000000000000004}"#;
    let held = [
        ("/extended_fields/a", json!("1e999")),
        ("/extended_fields/b", json!("12345678901234567890123")),
        ("/extended_fields/c", json!(1e30)),
        ("/extended_fields/d", json!(0)),
        ("/extended_fields/e", json!(1)),
        ("/extended_fields/f", json!("0.1000000000000000055")),
        ("/extended_fields/g", json!(100_000_000_000_000_000_u64)),
        ("/extended_fields/h", json!(u64::MAX)),
        ("/extended_fields/i", json!(5e-324)),
        ("/extended_fields/j", json!(f64::MAX)),
        ("/extended_fields/k", json!(0.300_000_000_000_000_04)),
    ];
    rows.add(&|id| customer(id, "", sent), lands(KEPT, &held));
    rows.add(&|id| customer(id, r#", "lastName": 12345678901234567890123, "accountId": 1.10, "source": true"#, ""), {
        let held = [("/last_name", json!("12345678901234567890123")), ("/account_id", json!("1.10")), ("/profile_source", json!("true"))];
        lands(KEPT, &held)
    });
    // Numbers that are none in JSON.
    rows.add(
        &|id| customer(id, "", r#", "extendedFields": {"a": NaN, "b": [-Infinity, 007, .5, +1], "c": "NaN", "d": True}"#),
        lands(KEPT, &[("/extended_fields", json!({"a": "NaN", "b": ["-Infinity", "007", ".5", "+1"], "c": "NaN", "d": "True"}))]),
    );
    for (count, stored, kinds) in [
        (r#""3""#, json!(3), &["cannot_ask"][..]),
        ("-5", json!(-5), &["cannot_ask"]),
        ("1e999", Value::Null, &["cannot_ask", "kept_as_text"]),
        (r#""many""#, Value::Null, &["cannot_ask"]),
        ("[2]", Value::Null, &["cannot_ask"]),
        ("0.0", json!(0), &[]),
    ] {
        let count = format!("Children\": {count}");
        rows.add(&|id| customer(id, "", "").replace("Children\": 0", &count), lands(kinds, &[("/no_of_children", stored)]));
    }
}

/// Ids in all spellings.
fn customer_ids(rows: &mut Rows<'_>) {
    for id in ["\"ID\"", "\" ID \"", "ID.0", "ID.0e0", "\"ID\", \"userId\": ID"] {
        let kinds: &[&str] = if id.contains("userId") { &["key_twice"] } else { &[] };
        rows.add(&|own| customer(&id.replace("ID", own), "", ""), lands(kinds, &[("/first_name", json!(NAME))]));
    }
    rows.add(
        &|id| format!(r#"{{"profiles": [{{"userId": "x"}}, {{"userId": {id}}}, {{"userId": 1700000000000}}], "noOfChildren": 0}}"#),
        lands(&["mixed_ids"], &[("/extra/profiles", json!({"1": {"userId": "x"}, "2": {"userId": 1_700_000_000_000_u64}}))]),
    );
    for id in [
        "1000000000000000000000000000000",
        "9223372036854775808",
        "1e300",
        "1e999",
        "1.5",
        "0",
        "-7",
        "null",
        "true",
        "[7]",
        "{}",
        r#""""#,
        r#""0x1F""#,
        r#""1 2""#,
        r#""7\u0000""#,
    ] {
        rows.add(&|_| customer(id, "", ""), Fate::Refused("none of its profiles has a userId that is a whole number"));
    }
}

/// One shape in the place of another.
fn customer_shapes(rows: &mut Rows<'_>) {
    for profiles in ["null", "[]", "{}", "\"x\"", "[null]", "[[]]", "7"] {
        rows.add(&|_| format!(r#"{{"profiles": {profiles}, "noOfChildren": 0}}"#), Fate::Refused("none of its profiles has a userId"));
    }
    for row in ["null", "[]", "\"Zorro\"", "5", "1e999", "true", "[{\"profiles\": []}]"] {
        rows.add(&|_| row.to_owned(), Fate::Refused("it is not an object"));
    }
    rows.add(&|_| "{}".to_owned(), Fate::Refused("none of its profiles has a userId"));
    rows.add(
        &|id| {
            customer(
                id,
                r#", "identifiers": null, "commChannels": null, "fields": null, "identifiersAll": null"#,
                r#", "extendedFields": null"#,
            )
        },
        lands(&[], &[("/extra", json!({})), ("/extended_fields", json!({}))]),
    );
    rows.add(
        &|id| customer(id, r#", "identifiers": {"type": "mobile"}, "commChannels": "none", "fields": [1]"#, r#", "extendedFields": [2]"#),
        lands(
            &[],
            &[(
                "/extra",
                json!({"extendedFields": [2], "profiles": {"1": {
                    "identifiers": {"odd": [{"type": "mobile"}]}, "commChannels": {"odd": ["none"]}, "fields": [1]}}}),
            )],
        ),
    );
    rows.add(
        &|id| customer(id, r#", "identifiers": [null, {"type": "mobile", "value": 7}, 5]"#, ""),
        lands(&[], &[("/mobile", json!("7")), ("/extra/profiles/1/identifiers/odd", json!([5]))]),
    );
    rows.add(
        &|id| customer(id, r#", "accountId": "", "lastName": {"x": 1}"#, r#", "defaultChild": "TRUE", "createdDate": """#),
        lands(
            &[],
            &[
                ("/account_id", json!("")),
                ("/default_child", json!(true)),
                ("/extra/profiles/1/lastName/x", json!(1)),
                ("/created", Value::Null),
            ],
        ),
    );
    rows.add(
        &|id| customer(id, "", r#", "defaultChild": "yes", "x": null"#),
        lands(&[], &[("/extra", json!({"x": null})), ("/default_child", json!(true))]),
    );
    rows.add(
        &|id| customer(id, "", r#", "defaultChild": "maybe""#),
        lands(&[], &[("/extra", json!({"defaultChild": "maybe"})), ("/default_child", Value::Null)]),
    );
    rows.add(
        &|id| customer(id, r#", "lastName": "a", "lastName": "b", "fields": {"x": 1, "x": 1}"#, r#", "new": 1, "new": 2"#),
        lands(&["key_twice"], &[("/last_name", json!("b")), ("/extra/new", json!(2)), ("/profiles/0/fields/x", json!(1))]),
    );
}

/// Stamps and dates.
fn customer_times(rows: &mut Rows<'_>) {
    for (sent, stored) in TIMES {
        let raw = if stored.is_some() || NO_TIMES.contains(sent) {
            Value::Null
        } else if sent.parse::<u64>().is_ok() || *sent == "true" {
            json!(sent)
        } else {
            serde_json::from_str(sent).unwrap()
        };
        let stored = stored.map_or(Value::Null, |time| json!(time));
        rows.add(
            &|id| customer(id, &format!(r#", "autoUpdateTime": {sent}"#), &format!(r#", "createdDate": {sent}"#)),
            lands(
                &[],
                &[
                    ("/at", stored.clone()),
                    ("/created", stored),
                    ("/extra/createdDate", raw.clone()),
                    ("/extra/profiles/1/autoUpdateTime", raw),
                ],
            ),
        );
    }
}

/// What says that there is no time.
const NO_TIMES: [&str; 6] = [
    "null",
    r#""""#,
    r#""0001-01-01T00:00:00Z""#,
    r#""0001-01-01T00:00:00+05:30""#,
    r#""0001-01-01 00:00:00""#,
    r#""0001-01-01 00:00:00.000""#,
];

/// Times as Capillary may send them, and what is stored of them.
const TIMES: &[(&str, Option<&str>)] = &[
    ("null", None),
    (r#""""#, None),
    ("1740903340000", Some("2025-03-02 08:15:40.000000")),
    ("17409033", None),
    ("true", None),
    (r#"["2025-03-02T08:15:40Z"]"#, None),
    (r#""soon""#, None),
    (r#""2025-03-02""#, None),
    (r#""2025-03-02T08:15:40""#, None),
    (r#""2025-02-30T08:15:40Z""#, None),
    (r#""0000-01-01T00:00:00Z""#, None),
    (r#""300000-01-01T00:00:00Z""#, None),
    (r#""+300000-01-01T00:00:00Z""#, None),
    (r#""9999-12-31T23:59:59Z""#, None),
    (r#""9999-12-31T00:00:00+01:00""#, Some("9999-12-30 23:00:00.000000")),
    (r#""9999-12-31T23:59:59-01:00""#, None),
    (r#""0001-01-01T00:00:00Z""#, None),
    (r#""0001-01-01T00:00:00+05:30""#, None),
    (r#""0001-01-01T00:00:01Z""#, None),
    (r#""0001-01-02T00:00:00Z""#, Some("0001-01-02 00:00:00.000000")),
    (r#""/Date(1740903340000)/""#, Some("2025-03-02 08:15:40.000000")),
    (r#""2025-03-02T08:15:40+05:30""#, Some("2025-03-02 02:45:40.000000")),
    (r#""2025-03-02T08:15:40+0530""#, Some("2025-03-02 02:45:40.000000")),
    (r#""2025-03-02T08:15:40.1234567891Z""#, Some("2025-03-02 08:15:40.123456")),
    (r#"" 2025-03-02T08:15:40Z ""#, Some("2025-03-02 08:15:40.000000")),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_customer_lands_or_is_refused_alone_and_stays_quiet() {
    let fates = customers(&Stage::capillary(0, "").await).len();
    let stage = Stage::capillary(fates, "").await;
    let rows = customers(&stage);
    let told = json!({"role_code": [null, "changed"]});
    each_row_meets_its_fate(&stage, rows, ("\"noOfChildren\": ", "\"roleCode\": \"changed\", \"noOfChildren\": "), told).await;
    stage.tells_of_fields(&["bad_time autoUpdateTime", "bad_time createdDate", "odd_value defaultChild"]).await;
}

fn user(id: &str, more: &str) -> String {
    format!(r#"{{"UserId": "{id}", "Name": "{NAME}"{more}}}"#)
}

/// What can stand in a user's row.
fn users(stage: &Stage) -> Vec<(String, Fate)> {
    let mut rows = Rows { stage, made: Vec::new() };
    for add in [user_values, user_ids, user_shapes, user_times] {
        add(&mut rows);
    }
    rows.made
}

/// Texts, sizes, nesting and numbers.
fn user_values(rows: &mut Rows<'_>) {
    let (huge, large) = ("h".repeat(10 << 20), "h".repeat(1 << 16));
    rows.add(&|id| user(id, r#", "Email": "a\u0000b""#), lands(REPLACED, &[("/email", json!("a\u{FFFD}b"))]));
    rows.add(&|id| user(id, r#", "Email": "\ud800x\uDFFF""#), lands(REPLACED, &[("/email", json!("\u{FFFD}x\u{FFFD}"))]));
    rows.add(
        &|id| user(id, r#", "Role": {"k\u0000": ["\udfff"]}, "\u0000": 1"#),
        lands(REPLACED, &[("/extra", json!({"Role": {"k\u{FFFD}": ["\u{FFFD}"]}, "\u{FFFD}": 1}))]),
    );
    // Not changed later: unoptimised, ten megabytes take their time.
    rows.add(&|id| format!(r#"{{"Email": "{huge}", "UserId": "{id}"}}"#), lands(&[], &[("/email", json!(huge))]));
    rows.add(&|id| user(id, &format!(r#", "{large}": "{large}""#)), lands(&[], &[]));

    for levels in [100_usize, 126, 127, 10_000] {
        let deep = nested(levels);
        rows.add(&|id| user(id, &format!(r#", "Tag": {deep}"#)), lands(KEPT, &[]));
        rows.add(&|id| user(id, &format!(r#", "Email": {deep}, "CheckedIn": {deep}"#)), lands(KEPT, &[]));
    }
    let sent = r#", "mx_Custom_1": [1e999, 12345678901234567890123, 1e30, -0, 1.0, 1e17], "Email": 1e999"#;
    let held = json!(["1e999", "12345678901234567890123", 1e30, 0, 1, 100_000_000_000_000_000_u64]);
    rows.add(&|id| user(id, sent), lands(KEPT, &[("/extra/mx_Custom_1", held), ("/email", json!("1e999"))]));
}

/// Ids in all spellings: braces, upper case and no dashes are the same.
fn user_ids(rows: &mut Rows<'_>) {
    for spelled in ["{ID}", " ID ", "urn:uuid:ID"] {
        rows.add(&|id| user(&spelled.replace("ID", id), ""), lands(&[], &[("/name", json!(NAME))]));
    }
    rows.add(&|id| user(&id.to_uppercase(), ""), lands(&[], &[("/name", json!(NAME))]));
    rows.add(&|id| user(&id.replace('-', ""), ""), lands(&[], &[("/name", json!(NAME))]));
    rows.add(&|id| format!(r#"{{"UserId": "x", "UserId": "{id}", "Name": "{NAME}"}}"#), lands(&["key_twice"], &[("/name", json!(NAME))]));
    for id in [
        "null",
        "7",
        "1e999",
        "-1",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""0x1F""#,
        r#""Zorro""#,
        r#""00000000-0000-0000-0000-000000000000""#,
        r#""aaaaaaaa-0000-4000-8000-00000000000""#,
        r#""aaaaaaaa-0000-4000-8000-000000000\u0000""#,
    ] {
        rows.add(&|_| format!(r#"{{"UserId": {id}, "Name": "{NAME}"}}"#), Fate::Refused("its UserId is missing or no GUID"));
    }
    rows.add(&|_| "{}".to_owned(), Fate::Refused("its UserId is missing or no GUID"));
    rows.add(&|id| format!(r#"{{"userid": "{id}"}}"#), Fate::Refused("its UserId is missing or no GUID"));
}

/// One shape in the place of another.
fn user_shapes(rows: &mut Rows<'_>) {
    for row in ["null", "[]", "\"Zorro\"", "5", "1e999", "true"] {
        rows.add(&|_| row.to_owned(), Fate::Refused("it is not an object"));
    }

    rows.add(
        &|id| user(id, r#", "Email": 12345678901234567890123, "IsActive": "TRUE", "CheckedIn": false, "Groups": [null, "a"]"#),
        lands(
            KEPT,
            &[
                ("/email", json!("12345678901234567890123")),
                ("/is_active", json!(true)),
                ("/checked_in", json!(false)),
                ("/extra/Groups", json!([null, "a"])),
            ],
        ),
    );
    rows.add(
        &|id| user(id, r#", "IsActive": 2, "CheckedIn": "perhaps", "Email": ["x"], "StatusCode": "9""#),
        lands(
            &[],
            &[("/is_active", Value::Null), ("/extra", json!({"IsActive": 2, "CheckedIn": "perhaps", "Email": ["x"], "StatusCode": 9}))],
        ),
    );
    rows.add(
        &|id| user(id, r#", "IsActive": "Active", "CheckedIn": "0""#),
        lands(&[], &[("/is_active", json!(true)), ("/checked_in", json!(false)), ("/extra", json!({}))]),
    );
    rows.add(
        &|id| user(id, r#", "Email": "", "Name": "b", "Tag": {"x": 1, "x": 1}"#),
        lands(&["key_twice"], &[("/email", json!("")), ("/name", json!("b"))]),
    );
    for (manager, kinds) in
        [("7", &["bad_manager"][..]), ("\"Zorro\"", &["bad_manager"]), ("[]", &["bad_manager"]), ("null", &[]), ("\"\"", &[])]
    {
        let raw = serde_json::from_str(manager).unwrap();
        rows.add(&|id| user(id, &format!(r#", "ManagerUserId": {manager}"#)), lands(kinds, &[("/extra/ManagerUserId", raw)]));
    }
}

/// Stamps.
fn user_times(rows: &mut Rows<'_>) {
    for (sent, stored) in [
        ("null", None),
        (r#""""#, None),
        ("1740903340000", Some("2025-03-02 08:15:40.000000")),
        (r#"{"x": 1}"#, None),
        (r#""2025-03-02T08:15:40Z""#, Some("2025-03-02 08:15:40.000000")),
        (r#""31.5.2022""#, None),
        (r#""0000-01-01 00:00:00""#, None),
        (r#""300000-01-01 00:00:00""#, None),
        (r#""9999-12-31 23:59:59""#, None),
        (r#""0001-01-01 00:00:00""#, None),
        (r#""0001-01-01 00:00:00.000""#, None),
        (r#""2025-03-02 08:15:40.1234567""#, Some("2025-03-02 08:15:40.123456")),
        (r#""2025-03-02 08:15:40.000""#, Some("2025-03-02 08:15:40.000000")),
    ] {
        let is_kept = stored.is_none() && !NO_TIMES.contains(&sent);
        let raw: Value = if is_kept { serde_json::from_str(sent).unwrap() } else { Value::Null };
        let stored = stored.map_or(Value::Null, |time| json!(time));
        rows.add(&|id| user(id, &format!(r#", "ModifiedOn": {sent}"#)), lands(&[], &[("/at", stored), ("/extra/ModifiedOn", raw)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_lands_or_is_refused_alone_and_stays_quiet() {
    let fates = users(&Stage::leadsquared(0, "").await).len();
    let stage = Stage::leadsquared(fates, "").await;
    let rows = users(&stage);
    each_row_meets_its_fate(
        &stage,
        rows,
        ("{\"UserId\": ", "{\"Mobile\": \"changed\", \"UserId\": "),
        json!({"mobile": [null, "changed"]}),
    )
    .await;
    stage.tells_of_fields(&["bad_time ModifiedOn", "odd_value CheckedIn", "odd_value IsActive"]).await;
}

/// What must become of a whole answer.
enum Verdict {
    /// Both rows land, with findings of these kinds about the first.
    Lands(&'static [&'static str]),
    /// None lands, and a finding of this kind, with these words, is about the list.
    Refused(&'static str, &'static str),
}

/// What is made of a list's true body, and what must become of it.
type Odd<'a> = (Box<dyn Fn(&str) -> Mishap + 'a>, Verdict);

fn wide(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Answers whose bytes, wrapping or status are odd, for any vendor. `page` is the list's true body.
fn odd_answers(elsewhere: &str) -> Vec<Odd<'_>> {
    use Verdict::{Lands, Refused};
    let text = |change: fn(&str) -> Vec<u8>| -> Box<dyn Fn(&str) -> Mishap> { Box::new(move |page| whole_text(change(page))) };
    let with = |name: &'static str, value: &'static str| -> Box<dyn Fn(&str) -> Mishap> {
        Box::new(move |page| Answer::raw(200, JSON, page).header(name, value).into())
    };
    let no_json = "what is no JSON, or only a part of it";
    let mut odd = vec![
        (text(|page| format!("\u{FEFF}{page}").into_bytes()), Lands(&[])),
        (text(wide), Lands(&[])),
        (text(|page| page.replace(NAME, "Z\torro\n").into_bytes()), Lands(&[])),
        (text(|page| page.replace(NAME, "Jürgen").chars().map(|sign| u32::from(sign) as u8).collect()), Lands(&["text_replaced"])),
        (text(|page| format!(" \r\n{page}\n ").into_bytes()), Lands(&[])),
        (with("content-type", "text/plain"), Lands(&[])),
        (with("content-type", "text/html"), Lands(&[])),
        (with("content-type", "Zorro; charset=x"), Lands(&[])),
        (with("content-encoding", "br"), Lands(&[])),
        (Box::new(|page: &str| Answer { headers: Vec::new(), ..Answer::raw(200, "", page) }.into()), Lands(&[])),
        (Box::new(|page: &str| Answer::raw(200, JSON, page).gzipped().into()), Lands(&[])),
        (text(|page| format!("{page}Zorro").into_bytes()), Refused("bad_answer", no_json)),
        (text(|page| page.repeat(2).into_bytes()), Refused("bad_answer", no_json)),
        (text(|page| page.as_bytes()[..page.len() - 1].to_vec()), Refused("bad_answer", no_json)),
        (text(|page| wide(page)[2..].to_vec()), Refused("bad_answer", no_json)),
        (text(|_| b"Zorro".to_vec()), Refused("bad_answer", no_json)),
        (Box::new(|_: &str| Answer::html(200).into()), Refused("bad_answer", "a page instead of data")),
        (with("content-encoding", "gzip"), Refused("bad_answer", "wrongly packed")),
        (
            Box::new(|_: &str| Answer::raw(200, JSON, *b"\x0b\x02\x80{}\x03").header("content-encoding", "br").into()),
            Refused("bad_answer", "an encoding that was not asked for"),
        ),
        (
            Box::new(|_: &str| Answer::raw(200, JSON, *b"(\xb5/\xfd").header("content-encoding", "zstd").into()),
            Refused("bad_answer", "an encoding that was not asked for"),
        ),
        (Box::new(|_: &str| Mishap::Cut), Refused("bad_answer", "cut off")),
        (Box::new(|_: &str| Answer::gzip_bomb(50 << 20).into()), Refused("answer_too_large", "max_response")),
        (text(|page| page.replacen(NAME, &"x".repeat(2 << 20), 1).into_bytes()), Refused("answer_too_large", "max_response")),
        (text(|_| b"7".to_vec()), Refused("bad_answer", "it is not an object")),
        (text(|_| b"null".to_vec()), Refused("bad_answer", "it is not an object")),
        (text(|_| b"\"Zorro\"".to_vec()), Refused("bad_answer", "it is not an object")),
    ];
    for status in [301, 302, 303, 307, 308] {
        let answer = Answer::redirect(elsewhere);
        let kind = if matches!(status, 302 | 303 | 307) { "list_unavailable" } else { "list_refused" };
        odd.push((Box::new(move |_| Answer { status, ..answer.clone() }.into()), Refused(kind, "answered with a redirect")));
    }
    odd
}

async fn each_answer_meets_its_verdict(stage: &Stage, odd: &[Odd<'_>]) {
    assert_eq!(stage.parents.len(), odd.len() + 1, "as many lists as answers, and one that is as it should be");
    let body = |list| stage.page([&stage.plain(list, 0), &stage.plain(list, 1)]);
    let answers = || odd.iter().enumerate().map(|(list, (make, _))| make(&body(list))).chain([whole_text(body(odd.len()))]);
    stage.answer(answers());
    let first = stage.sync().await;
    for (list, (_, verdict)) in odd.iter().enumerate() {
        let (about, refused) = (stage.told_of(&stage.id(list, 0)).await, stage.told_of(&stage.parents[list]).await);
        let landed = [stage.stored(&stage.id(list, 0)).await.is_object(), stage.stored(&stage.id(list, 1)).await.is_object()];
        match verdict {
            Verdict::Lands(kinds) => {
                assert_eq!((landed, refused), ([true, true], vec![]), "answer {list}");
                assert_eq!(about.iter().map(|(kind, _)| kind).collect::<Vec<_>>(), kinds.iter().collect::<Vec<_>>(), "answer {list}");
            }
            Verdict::Refused(kind, words) => {
                assert_eq!((landed, refused.len()), ([false, false], 1), "half an answer {list}: {refused:?}");
                assert!(refused[0].0 == *kind && refused[0].1.contains(words), "answer {list}: {refused:?}");
            }
        }
    }
    // What took many tries is now refused at once: it is kept as it was either way.
    let refused = Answer { status: 308, ..Answer::redirect("/") }.into();
    let again = answers().zip(odd).map(|(answer, (_, verdict))| match verdict {
        Verdict::Refused("bad_answer" | "list_unavailable", _) => Mishap::clone(&refused),
        _ => answer,
    });
    stage.answer(again.chain([whole_text(body(odd.len()))]));
    assert_eq!(stage.sync().await, first, "the same again was written");
    assert_eq!(count(&stage.pool, "select count(*) from hiersync.change where op <> 'insert'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_capillary_lands_or_is_refused_whole() {
    let elsewhere = CapillarySim::start(CapillaryWorld::new(1, Flavour::PLAIN), CapillarySettings::default()).await.unwrap();
    let at = elsewhere.base_url();
    let mut odd = odd_answers(&at);
    let mut refused = |body: &'static str, words| {
        let make: Box<dyn Fn(&str) -> Mishap> = Box::new(move |_| whole_text(body));
        odd.push((make, Verdict::Refused("bad_answer", words)));
    };
    refused("[]", "it is not an object");
    refused("{}", "`entity` is missing");
    refused(r#"{"entity": null}"#, "`entity`: it is not an object");
    refused(r#"{"entity": []}"#, "`entity`: it is not an object");
    refused(r#"{"entity": {"customers": null}}"#, "`entity.customers` is null");
    refused(r#"{"entity": {"customers": {}}}"#, "`entity.customers` is not an array");
    refused(r#"{"entity": {"customers": "none"}}"#, "`entity.customers` is not an array");
    refused(r#"{"entity": {"customers": [], "customers": []}}"#, "`entity`: a key stands in it twice");
    refused(r#"{"entity": {"customers": []}, "entity": {"customers": []}}"#, "a key stands in it twice");
    let harmless = |page: &str| page.replacen('{', r#"{"warnings": [1e999, "\ud800"], "message": "\ud800", "data": 1e999, "#, 1);
    odd.push((Box::new(move |page| whole_text(harmless(page))), Verdict::Lands(&[])));
    let stage = Stage::capillary(odd.len() + 1, "max_response = \"1MiB\"").await;
    each_answer_meets_its_verdict(&stage, &odd).await;
    assert_eq!(elsewhere.door().calls(), 0, "nobody else is given our keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_leadsquared_lands_or_is_refused_whole() {
    let elsewhere = CapillarySim::start(CapillaryWorld::new(1, Flavour::PLAIN), CapillarySettings::default()).await.unwrap();
    let at = elsewhere.base_url();
    let mut odd = odd_answers(&at);
    let mut refused = |body: &'static str, words| {
        let make: Box<dyn Fn(&str) -> Mishap> = Box::new(move |_| whole_text(body));
        odd.push((make, Verdict::Refused("bad_answer", words)));
    };
    refused("{}", "`Users` is missing");
    refused(r#"{"Users": null}"#, "`Users` is null");
    refused(r#"{"Users": {}}"#, "`Users` is not an array");
    refused(r#"{"Users": "none"}"#, "`Users` is not an array");
    refused(r#"{"Users": [], "Users": []}"#, "a key stands in it twice");
    refused(r#"{"Status": "Error", "Status": "Success", "Users": []}"#, "a key stands in it twice");
    let harmless =
        |page: &str| page.replacen('{', r#"{"More": [1e999, "\ud800"], "RecordCount": 1e999, "ExceptionMessage": "\ud800", "#, 1);
    odd.push((Box::new(move |page| whole_text(harmless(page))), Verdict::Lands(&[])));
    let stage = Stage::leadsquared(odd.len() + 1, "max_response = \"1MiB\"").await;
    each_answer_meets_its_verdict(&stage, &odd).await;
    assert_eq!(elsewhere.door().calls(), 0, "nobody else is given our keys");
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_lists_in_another_order_write_nothing() {
    let stage = Stage::capillary(1, "").await;
    let id = stage.id(0, 0);
    let entry = |kind: &str, value: usize| format!(r#"{{"type": "{kind}", "value": "{value}@example.com"}}"#);
    let list = |kind: &str, order: &[usize]| order.iter().map(|value| entry(kind, *value)).collect::<Vec<_>>().join(",");
    let profile = |source: &str, order: &[usize]| {
        format!(
            r#"{{"userId": {id}, "source": "{source}", "firstName": "{source}", "autoUpdateTime": "2025-03-02T08:15:40Z",
                "identifiers": [{0}], "identifiersAll": [{0}], "commChannels": [{1}], "conflictingProfileList": [{0}]}}"#,
            list("email", order),
            list("mobile", order),
        )
    };
    let row = |sources: [&str; 2], order: &[usize]| {
        format!(r#"{{"profiles": [{}, {}], "noOfChildren": 0}}"#, profile(sources[0], order), profile(sources[1], order))
    };
    stage.answer([whole_text(stage.page([&row(["INSTORE", "WECHAT"], &[1, 2, 3]), &stage.plain(0, 1)]))]);
    let first = stage.sync().await;
    for (sources, order) in [(["WECHAT", "INSTORE"], [1, 2, 3]), (["INSTORE", "WECHAT"], [3, 1, 2]), (["WECHAT", "INSTORE"], [2, 3, 1])] {
        stage.answer([whole_text(stage.page([&row(sources, &order), &stage.plain(0, 1)]))]);
        assert_eq!(stage.sync().await, first, "{sources:?} {order:?}");
    }
    assert_eq!(stage.told().await, []);
    let stored = stage.stored(&id).await;
    assert_eq!(
        (&stored["first_name"], &stored["email"], &stored["mobile"]),
        (&json!("INSTORE"), &json!("1@example.com"), &json!("1@example.com"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_read_in_the_charset_that_it_names() {
    for (kind, name, told) in [
        ("application/json; charset=ISO-8859-1", &b"J\xFCrgen"[..], 0),
        ("application/json; Charset=\"windows-1252\"", b"J\xFCrgen", 0),
        ("application/json; charset=ISO-8859-1", "Jürgen".as_bytes(), 0),
        ("application/json", b"J\xFCrgen", 1),
    ] {
        let stage = Stage::capillary(1, "").await;
        let page = stage.page([&stage.plain(0, 0).replace(NAME, "NAME"), &stage.plain(0, 1)]);
        let (before, after) = page.split_once("NAME").unwrap();
        stage.answer([Answer::raw(200, kind, [before.as_bytes(), name, after.as_bytes()].concat()).into()]);
        stage.sync().await;
        let (stored, about) = (stage.stored(&stage.id(0, 0)).await, stage.told_of(&stage.id(0, 0)).await);
        assert_eq!(about.len(), told, "{about:?}");
        if told == 0 {
            assert_eq!(stored["first_name"], json!("Jürgen"), "{kind}");
        } else {
            assert_eq!(stored["first_name"], json!("J\u{FFFD}rgen"));
            assert!(about[0].0 == "text_replaced" && about[0].1.contains("charset"), "{about:?}");
        }
    }
}

/// Some servers say so that there is none of what was asked for: 204, or a good status and no body.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_answer_without_a_body_is_an_empty_list() {
    for status in [200, 204] {
        let nothing = Answer::raw(status, JSON, "");
        // Nobody says how many children there are, so that each leaf is asked.
        let mut world = CapillaryWorld::new(51, Flavour::PLAIN);
        let root = world.plant(&Shape::list(3));
        let leaves = world.children(root).to_vec();
        let settings = CapillarySettings { gives_no_of_children: false, ..CapillarySettings::default() };
        let vendor = CapillarySim::start(world, settings).await.unwrap();
        leaves.iter().for_each(|leaf| vendor.faults().on_parent(leaf, FOREVER, nothing.clone()));
        let run = Case::new().await.customers(&vendor, "").complete().await;
        assert_eq!((run.inserted, run.retried, vendor.faults().struck()), (4, 0, 3), "{run:?}");

        let stage = Stage::leadsquared(2, "").await;
        stage.answer([whole_text(stage.page([&stage.plain(0, 0), &stage.plain(0, 1)])), nothing.into()]);
        let run = stage.case.complete().await;
        assert_eq!((run.inserted, run.retried), (5, 0), "{run:?}");
        assert_eq!(stage.told().await, []);
    }
}

/// Once may be a mishap: whoever was known stays until the vendor has said so twice.
#[tokio::test(flavor = "multi_thread")]
async fn one_answer_without_a_body_takes_nobody_away() {
    for stage in [Stage::capillary(1, "retire_guard = 1.0").await, Stage::leadsquared(1, "retire_guard = 1.0").await] {
        let full = || whole_text(stage.page([&stage.plain(0, 0), &stage.plain(0, 1)]));
        stage.answer([full()]);
        stage.sync().await;
        let faults = match &stage.vendor {
            Vendor::Capillary(vendor) => vendor.faults(),
            Vendor::LeadSquared(vendor) => vendor.faults(),
        };
        faults.clear();
        faults.on_parent(&stage.parents[0], 1, Answer::raw(204, JSON, ""));
        faults.on_parent(&stage.parents[0], FOREVER, full());
        stage.sync().await;
        assert!(stage.stored(&stage.id(0, 0)).await.is_object());
    }
}
