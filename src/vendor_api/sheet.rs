//! An answer whose rows are still texts. A row whose very text the mirror has taken in before is not read again.

use std::collections::HashSet;

use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Page,
    aside::aside,
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
    /// They are read; beside them what [`Sheet::digests`] gives.
    Read(Page<R>, Vec<(NodeId, Digest)>),
    /// They are texts.
    Unread(Unread<R>),
}

/// Rows that are still texts.
pub struct Unread<R> {
    texts: Vec<Box<str>>,
    /// Whom each text seems to be about. Only a guess: by it the mirror is asked for the text's digest.
    ids: Vec<Option<NodeId>>,
    /// Of each text, as one of whose list.
    digests: Option<(NodeId, Vec<Digest>)>,
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
        Self { texts: texts.iter().map(|text| text.get().into()).collect(), ids, digests: None, before, stated_count, read }
    }
}

impl<R: Node + Send + 'static> Sheet<R> {
    /// How many rows were received, the unreadable ones too.
    pub fn received(&self) -> u32 {
        match self {
            Self::Read(page, _) => page.received(),
            Self::Unread(unread) => u32::try_from(unread.texts.len()).unwrap_or(u32::MAX),
        }
    }

    /// The vendor's own count beside the rows.
    pub fn stated_count(&self) -> Option<u64> {
        match self {
            Self::Read(page, _) => page.stated_count,
            Self::Unread(unread) => unread.stated_count,
        }
    }

    /// Does beside the task what can be done before the page is written: takes the texts' digests as those of this node's list, or reads
    /// all of them.
    pub async fn prepared(self, list_of: NodeId, are_read: bool) -> Self {
        let Self::Unread(mut unread) = self else { return self };
        let bytes = unread.texts.iter().map(|text| text.len()).sum();
        let work = move || {
            if !are_read {
                unread.digest(list_of);
                return Self::Unread(unread);
            }
            let digests = unread.digests(list_of);
            Self::Read(Self::Unread(unread).read(list_of, &mut HashSet::new()), digests)
        };
        aside(bytes, work).await
    }

    /// Its rows are read already.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read(..))
    }

    /// Whom the texts seem to be about, with the digest of each as one of this node's list. Who is met twice is not among them.
    pub fn digests(&mut self, list_of: NodeId) -> Vec<(NodeId, Digest)> {
        match self {
            Self::Read(_, digests) => std::mem::take(digests),
            Self::Unread(unread) => unread.digests(list_of),
        }
    }

    /// The page, where none of its rows need be read.
    pub fn known(self) -> Page<R> {
        match self {
            Self::Read(page, _) => page,
            Self::Unread(Unread { ids, stated_count, .. }) => {
                Page { rows: Vec::new(), keys: ids.into_iter().flatten().collect(), stated_count, remarks: Vec::new(), whole: false }
            }
        }
    }

    /// Reads the rows as those of this node's list, but for whose text is `known`. Where another row is about one of them too, all are read,
    /// and nobody is known.
    pub fn read(self, list_of: NodeId, known: &mut HashSet<NodeId>) -> Page<R> {
        let mut unread = match self {
            Self::Read(page, _) => return page,
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

impl<R> From<Page<R>> for Sheet<R> {
    fn from(page: Page<R>) -> Self {
        Self::Read(page, Vec::new())
    }
}

impl<R> Unread<R> {
    fn digests(&mut self, list_of: NodeId) -> Vec<(NodeId, Digest)> {
        let mut met = HashSet::with_capacity(self.ids.len());
        let twice: HashSet<NodeId> = self.ids.iter().flatten().filter(|id| !met.insert(**id)).copied().collect();
        let digests = self.digest(list_of).to_vec();
        let sent = self.ids.iter().zip(digests).filter_map(|(id, digest)| Some(((*id)?, digest)));
        sent.filter(|(id, _)| !twice.contains(id)).collect()
    }

    /// The texts' digests as those of this node's list. The same text says another thing in another list: whose child it is.
    fn digest(&mut self, list_of: NodeId) -> &[Digest] {
        let taken = self.digests.take().filter(|(of, _)| *of == list_of).unwrap_or_else(|| {
            let seed = xxh3_64(list_of.to_string().as_bytes()) ^ FORM;
            (list_of, self.texts.iter().map(|text| Digest::of_text(text, seed)).collect())
        });
        &self.digests.insert(taken).1
    }

    fn page(&mut self, list_of: NodeId, known: &HashSet<NodeId>) -> Page<R> {
        let digests = self.digest(list_of).to_vec();
        let mut texts = Vec::with_capacity(self.texts.len());
        for ((id, text), digest) in self.ids.iter().zip(&self.texts).zip(digests) {
            texts.push(match id.filter(|id| known.contains(id)) {
                Some(id) => RowText::Known(id),
                None => RowText::Sent(text, Some(digest)),
            });
        }
        let Rows { rows, keys, remarks } = (self.read)(&texts, self.before);
        Page { rows, keys, stated_count: self.stated_count, remarks, whole: false }
    }
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
            (1, [0xb236_1854_3760_ab69_915e_8726_b6fa_2efd, 0x0077_16c0_2649_93fe_4536_e887_2056_5738].as_slice()),
            "raise FORM, and write these down"
        );
    }
}
