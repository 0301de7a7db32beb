//! Something a person should know, and every kind of it: what it is about, when it is resolved, what to do.

use std::fmt;

use serde_json::{Map, Value, json};

/// Something a person should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What kind of thing: a word of [`KINDS`].
    pub kind: &'static str,
    /// Contains the id that it is about.
    pub key: String,
    /// In plain words, with what to do; no personal data.
    pub say: String,
    /// What else is known.
    pub more: Map<String, Value>,
}

impl Finding {
    /// A finding with nothing but words.
    pub fn new(kind: &'static str, key: impl fmt::Display, say: impl Into<String>) -> Self {
        debug_assert!(KINDS.iter().any(|known| known.words.contains(&kind)), "`{kind}` is no kind of finding");
        Self { kind, key: key.to_string(), say: say.into(), more: Map::new() }
    }

    /// All that is known, with the words under `say`.
    pub fn detail(&self) -> Value {
        let mut detail = self.more.clone();
        detail.insert("say".into(), json!(self.say));
        Value::Object(detail)
    }
}

/// What a finding is about, and with that, when it is resolved: by the next complete walk that does not see it, and sooner where said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A node's list, of which something could not be reached or proven: it leaves its walk partial. Also by a walk that reads the list.
    List,
    /// A node's own row. Also by a walk that shows the node.
    Row,
    /// What is worked out anew at the end of every walk. Also by that.
    End,
    /// The walk as a whole.
    Walk,
}

/// How much a finding asks of a person. In the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// Something is to be done, or it stays as it is.
    Act,
    /// Something was not proven, or is odd: if it stays, somebody should look.
    Look,
    /// Only told.
    Told,
}

/// What a finding's key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Subject {
    /// A node, or its list: of the source's vendor, a customer or a user.
    Node,
    /// The source.
    Source,
    /// A field or column of whatever rows.
    Field,
}

/// Kinds of findings about which the same is to be done.
#[derive(Debug)]
pub struct Kind {
    /// As in `finding.kind`.
    pub words: &'static [&'static str],
    /// What they are about.
    pub about: About,
    /// How much they ask of a person.
    pub severity: Severity,
    /// What their keys name.
    pub subject: Subject,
    /// What to do, as in the runbook's table, which a test compares.
    pub todo: &'static str,
}

const fn kind(words: &'static [&'static str], about: About, (severity, subject): (Severity, Subject), todo: &'static str) -> Kind {
    Kind { words, about, severity, subject, todo }
}

/// The words of all kinds that are about this.
pub fn words(about: About) -> Vec<&'static str> {
    KINDS.iter().filter(|kind| kind.about == about).flat_map(|kind| kind.words).copied().collect()
}

/// Kinds that tell why a walk was not complete, or where a root stands.
pub fn explaining() -> Vec<&'static str> {
    [&words(About::List)[..], &["root_unknown", "root_changed", "retire_guard", "max_nodes", "managers_unknown"]].concat()
}

/// What is known of the kind with this word.
pub fn of(word: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.words.contains(&word))
}

/// All kinds, the severe ones first.
pub fn by_severity() -> impl Iterator<Item = &'static Kind> {
    let of = |severity| KINDS.iter().filter(move |kind| kind.severity == severity);
    of(Severity::Act).chain(of(Severity::Look)).chain(of(Severity::Told))
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    kind(
        &["retire_guard"],
        About::Walk,
        (Severity::Act, Subject::Source),
        "Too many nodes would be gone. Look whether the vendor really shows fewer (roots, permissions of the account, a wrong \
         `base_url`); if so, `hiersync sync SOURCE --accept-retire`",
    ),
    kind(
        &["max_nodes"],
        About::Walk,
        (Severity::Act, Subject::Source),
        "A walk has met more nodes than `max_nodes` allows, and took no further ones. Look whether `roots` are the right ones; if they are, \
         raise `max_nodes`",
    ),
    kind(
        &["root_changed"],
        About::Walk,
        (Severity::Act, Subject::Node),
        "The identifier of a root leads to somebody else than before, and nobody is retired meanwhile. If that is right, \
         `hiersync sync SOURCE --accept-retire`; else correct `roots`",
    ),
    kind(
        &["list_moved"],
        About::List,
        (Severity::Look, Subject::Node),
        "A list changed faster than it could be read, several times over. The next walk tries again; choose a quieter hour",
    ),
    kind(
        &["managers_unknown"],
        About::End,
        (Severity::Act, Subject::Source),
        "Users stand below a root, and nobody says who their manager is; their known lines are kept. Let the key search all \
         users, or set `columns = [\"ManagerUserId\"]`. A few users at a busy hour: the next walk reads them again",
    ),
    kind(
        &["manager_not_listed"],
        About::End,
        (Severity::Told, Subject::Node),
        "Users name a manager whom the vendor does not list: deactivated, or hidden from the key. Their lines are kept. Nothing \
         to do, unless that is wrong at the vendor",
    ),
    kind(
        &["columns_refused"],
        About::End,
        (Severity::Act, Subject::Source),
        "The vendor refuses one of the columns: its search or its lists are asked for fewer. Correct `columns`",
    ),
    kind(
        &["column_absent"],
        About::Walk,
        (Severity::Act, Subject::Field),
        "No row of a complete walk had a value in a column that `columns` asks for. Correct its name, or take it out",
    ),
    kind(
        &["list_repeats"],
        About::List,
        (Severity::Act, Subject::Node),
        "The vendor's search gives the same rows for every page. Tell the vendor, or set `edges = \"hierarchy\"`",
    ),
    kind(
        &["self_parent", "second_parent", "cycle"],
        About::End,
        (Severity::Told, Subject::Node),
        "Told only: the vendor shows a node as its own parent, below several parents, or below itself, and it is mirrored as \
         shown. If that is wrong, mend it at the vendor",
    ),
    kind(
        &["count_mismatch", "list_unreadable", "bad_row"],
        About::List,
        (Severity::Look, Subject::Node),
        "The vendor's answer contradicts itself or holds rows that cannot be read. Tell the vendor",
    ),
    kind(
        &["list_refused", "list_unavailable", "bad_answer"],
        About::List,
        (Severity::Look, Subject::Node),
        "One list cannot be had while others can. If it stays, look at the node with the vendor",
    ),
    kind(
        &["answer_too_large"],
        About::List,
        (Severity::Act, Subject::Node),
        "Two rows that stand beside each other, or a list that comes in one piece, are larger than `max_response`: raise it. \
         Larger pages are asked for again in smaller ones",
    ),
    kind(&["too_deep"], About::List, (Severity::Act, Subject::Node), "Raise `max_depth`, if the tree is really so deep"),
    kind(
        &["cannot_ask"],
        About::List,
        (Severity::Act, Subject::Node),
        "A customer has children, but no identifier of a type in `descend_by` that it shares with no other live customer. Add a \
         type that it has to itself, or correct the double at the vendor",
    ),
    kind(
        &["root_unknown"],
        About::End,
        (Severity::Act, Subject::Node),
        "Two lookups of a root's identifier gave no id: check `roots`. An id learned before is kept; else the root stands under \
         a negative id",
    ),
    kind(
        &["limit_learned"],
        About::End,
        (Severity::Act, Subject::Source),
        "The vendor stated a lower limit than `limits` says. It is kept to; write it into the configuration. Resolved by the \
         first complete walk after the vendor has stated a higher one, or a week after it last stated this",
    ),
    kind(
        &["quota_short"],
        About::Walk,
        (Severity::Act, Subject::Source),
        "One run cannot finish the walk: its budget is spent before, and the walk goes on when the window opens. If that makes \
         the mirror too old: raise `limits` if the vendor allows it, lower `headroom`, or let the sources of this budget run \
         less often. `hiersync plan` shows what fits. Resolved when the walk is at its end",
    ),
    kind(
        &["silent_change"],
        About::Row,
        (Severity::Told, Subject::Node),
        "Told only: the vendor changed a node without a newer stamp, or showed an old state",
    ),
    kind(
        &["stale_read"],
        About::Walk,
        (Severity::Told, Subject::Node),
        "Told only: the vendor changed a node without a newer stamp, or showed an old state",
    ),
    kind(&["inactive_refused"], About::Walk, (Severity::Look, Subject::Node), "An inactive user's list is refused: it is taken for empty"),
    kind(
        &["text_replaced", "kept_as_text", "bad_manager"],
        About::Row,
        (Severity::Told, Subject::Node),
        "Told only: a value that cannot be held as it was sent; its detail names the fields",
    ),
    kind(
        &["bad_time", "odd_value"],
        About::Walk,
        (Severity::Told, Subject::Field),
        "Told only, once for a field of whatever rows: it holds what no column can. Its rows have it in `extra`; ask the vendor what it means",
    ),
    kind(
        &["key_twice", "mixed_ids", "shown_twice"],
        About::Row,
        (Severity::Told, Subject::Node),
        "Told only: an answer that can be read in two ways, and which was taken. Tell the vendor",
    ),
];
