//! An answer whose rows are still texts. A row whose very text the mirror has taken in before is not read again.

use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Page,
    rows::{RowText, Rows},
};
use crate::model::{
    digest::Digest,
    node::{Node, NodeId},
};

/// The form of what is kept of a row. Raise it when the same text is to become other content, else texts that are known keep the old. Then
/// rows are read in each walk until they change: what is the same writes nothing, not even the text's digest.
const FORM: u64 = 1;

/// One answer, whose rows may be unread.
pub enum Sheet<R> {
    /// They are read.
    Read(Page<R>),
    /// They are texts.
    Unread(Unread<R>),
}

/// Rows that are still texts.
pub struct Unread<R> {
    texts: Vec<Box<str>>,
    /// Whom each text seems to be about. Only a guess: by it the mirror is asked for the text's digest.
    ids: Vec<Option<NodeId>>,
    before: u32,
    stated_count: Option<u64>,
    read: fn(&[RowText<'_>], u32) -> Rows<R>,
}

impl<R> Unread<R> {
    /// The rows of a paged list, of which `before` stand before them. `id_of` guesses whom a text is about; `read` reads them.
    pub(super) fn new(
        texts: &[&RawValue],
        before: u32,
        stated_count: Option<u64>,
        id_of: impl Fn(&str) -> Option<NodeId>,
        read: fn(&[RowText<'_>], u32) -> Rows<R>,
    ) -> Self {
        let ids = texts.iter().map(|text| id_of(text.get())).collect();
        Self { texts: texts.iter().map(|text| text.get().into()).collect(), ids, before, stated_count, read }
    }
}

impl<R: Node> Sheet<R> {
    /// The vendor's own count beside the rows.
    pub fn stated_count(&self) -> Option<u64> {
        match self {
            Self::Read(page) => page.stated_count,
            Self::Unread(unread) => unread.stated_count,
        }
    }

    /// Whom the texts seem to be about, with the digest of each as one of this node's list. Who is met twice is not among them.
    pub fn digests(&self, list_of: NodeId) -> Vec<(NodeId, Digest)> {
        let Self::Unread(unread) = self else { return Vec::new() };
        let mut times: HashMap<NodeId, u32> = HashMap::new();
        for id in unread.ids.iter().flatten() {
            *times.entry(*id).or_default() += 1;
        }
        let seed = seed(list_of);
        let texts = unread.ids.iter().zip(unread.texts.iter().map(AsRef::as_ref));
        texts.filter_map(|(id, text)| id.filter(|id| times[id] == 1).map(|id| (id, Digest::of_text(text, seed)))).collect()
    }

    /// Reads the rows as those of this node's list, but for whose text is `known`. Where another row is about one of them too, all are read,
    /// and nobody is known.
    pub fn read(self, list_of: NodeId, known: &mut HashSet<NodeId>) -> Page<R> {
        let unread = match self {
            Self::Read(page) => return page,
            Self::Unread(unread) => unread,
        };
        let mut page = unread.page(list_of, known);
        if page.rows.iter().any(|row| known.contains(&row.key())) {
            known.clear();
            page = unread.page(list_of, known);
        }
        page
    }

    /// Reads all rows, of whatever list.
    pub fn all(self) -> Page<R> {
        self.read(NodeId::Everybody, &mut HashSet::new())
    }
}

impl<R> Unread<R> {
    fn page(&self, list_of: NodeId, known: &HashSet<NodeId>) -> Page<R> {
        let seed = seed(list_of);
        let mut texts = Vec::with_capacity(self.texts.len());
        for (id, text) in self.ids.iter().zip(&self.texts) {
            texts.push(match id.filter(|id| known.contains(id)) {
                Some(id) => RowText::Known(id),
                None => RowText::Sent(text, Some(Digest::of_text(text, seed))),
            });
        }
        let Rows { rows, keys, remarks } = (self.read)(&texts, self.before);
        Page { rows, keys, stated_count: self.stated_count, remarks, whole: false }
    }
}

/// The same text says another thing in another list: whose child it is.
fn seed(list_of: NodeId) -> u64 {
    xxh3_64(list_of.to_string().as_bytes()) ^ FORM
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::customer::Customer,
        vendor_api::{answer::Answer, capillary::read_children},
    };

    const EXAMPLE: &str = include_str!("capillary/example.json");
    const FIRST: NodeId = NodeId::Customer(700_000_021);
    const SECOND: NodeId = NodeId::Customer(700_000_022);
    const PARENT: NodeId = NodeId::Customer(1);

    fn sheet(body: &str) -> Sheet<Customer> {
        read_children(&Answer::of("bulk", 200, body), 0).expect("a sheet")
    }

    fn text_digests(page: &Page<Customer>) -> Vec<Option<Digest>> {
        page.rows.iter().map(|row| row.text_digest).collect()
    }

    #[test]
    fn a_known_text_is_not_read_and_keeps_its_place() {
        let page = sheet(EXAMPLE).read(PARENT, &mut [FIRST].into());
        assert_eq!(page.keys, [FIRST, SECOND]);
        assert_eq!(page.rows.iter().map(Node::key).collect::<Vec<_>>(), [SECOND]);
    }

    #[test]
    fn what_is_kept_of_a_row_is_what_is_asked_for_in_that_list_and_in_no_other() {
        let asked = sheet(EXAMPLE).digests(PARENT);
        assert_eq!(asked.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [FIRST, SECOND]);
        let kept = |of| text_digests(&sheet(EXAMPLE).read(of, &mut HashSet::new()));
        // The first has children.
        assert_eq!(kept(PARENT), [None, Some(asked[1].1)]);
        assert_ne!(kept(PARENT), kept(FIRST));
    }

    #[test]
    fn nothing_is_kept_of_a_row_about_which_something_is_said() {
        let odd = EXAMPLE.replacen("\"2024-11-18T10:05:57Z\"", "\"soon\"", 1);
        assert_ne!(odd, EXAMPLE);
        let page = sheet(&odd).read(PARENT, &mut HashSet::new());
        assert_eq!(text_digests(&page), [None, None]);
    }

    #[test]
    fn where_another_row_is_about_somebody_known_all_are_read() {
        // The second names another user first, and is about the first's in the end.
        let odd = EXAMPLE.replace("\"userId\": 700000022", "\"x\": {\"userId\": 9}, \"userId\": 700000021");
        assert_ne!(odd, EXAMPLE);
        let mut known = HashSet::from([FIRST]);
        let page = sheet(&odd).read(PARENT, &mut known);
        assert_eq!((page.keys, page.rows.len(), known.len()), (vec![FIRST, FIRST], 2, 0));
        assert!(page.remarks.iter().any(|remark| remark.kind == "shown_twice"), "{:?}", page.remarks);
    }

    #[test]
    fn who_is_met_twice_is_read_each_time() {
        let twice = EXAMPLE.replace("700000022", "700000021");
        assert_ne!(twice, EXAMPLE);
        assert!(sheet(&twice).digests(PARENT).is_empty());
    }

    #[test]
    fn the_form_is_raised_when_a_text_becomes_other_content() {
        let digests: Vec<u128> = sheet(EXAMPLE).all().rows.iter().map(|row| row.digest().0.as_u128()).collect();
        assert_eq!(
            (FORM, digests.as_slice()),
            (1, [0x1457_d338_cdd2_65fd_f65d_bba6_317f_2938, 0x7bc9_8dae_18c3_840e_0aff_c0d6_c765_9e7e].as_slice()),
            "raise FORM, and write these down"
        );
    }
}
