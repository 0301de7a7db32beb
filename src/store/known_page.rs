//! Full pages of customers' lists whose rows are not looked up one by one: their texts are those of the last reading, and nothing has changed
//! since about whom they show. Whatever changes a node or its links removes the pages on which it stands, in the same transaction: see
//! [`super::change::write`].

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::{
    conn::Conn,
    facts::{At, Unchanged, runs},
};
use crate::model::{digest::Digest, node::NodeId};

/// Runs of numbers that are kept of a page, beside one for so many rows: of more too much would be written.
const RUNS: usize = 4;
/// See [`RUNS`].
const ROWS_OF_A_RUN: usize = 8;
/// Pages of one list, about: all of them are looked through when somebody on it has changed.
const PAGES: usize = 2000;

/// What is known of the rows of this list's page at this place, in their order; `None` for one that is to be looked up. Nothing where the page
/// has come otherwise.
pub(super) async fn read(
    conn: &mut Conn<'_>,
    at: At,
    (list_of, place): (NodeId, u32),
    texts: &[(NodeId, Digest)],
) -> sqlx::Result<Vec<Option<Unchanged>>> {
    let page = sqlx::query_file!("src/store/sql/known_page.sql", at.source_id, at.walk_id, i64::from(list_of), place.cast_signed());
    let Some(page) = page.fetch_optional(conn).await? else { return Ok(Vec::new()) };
    let runs = page.starts.iter().zip(&page.lengths);
    let numbers: Vec<i32> =
        runs.flat_map(|(start, length)| (0..*length).map(move |row| if *start > 0 { start + row } else { 0 })).collect();
    if numbers.len() != texts.len() || page.digest != digest(texts, &numbers) {
        return Ok(Vec::new());
    }
    let sets = [page.shown, page.shown_earlier, page.roots];
    let [shown, shown_earlier, roots]: [HashSet<i32>; 3] = sets.map(|numbers| numbers.into_iter().collect());
    let rows = texts.iter().zip(numbers).map(|((key, _), node_no)| {
        let row = || Unchanged { key: *key, node_no, shown: shown.contains(&node_no), shown_earlier: shown_earlier.contains(&node_no) };
        (node_no > 0 && !roots.contains(&node_no)).then(row)
    });
    Ok(rows.collect())
}

/// Keeps a page, with the numbers of the rows that need not be looked up.
pub(super) async fn keep(
    conn: &mut Conn<'_>,
    at: At,
    (list_of, place): (NodeId, u32),
    texts: &[(NodeId, Digest)],
    known: &HashMap<NodeId, i32>,
) -> sqlx::Result<()> {
    let numbers: Vec<i32> = texts.iter().map(|(key, _)| known.get(key).copied().unwrap_or(0)).collect();
    let (starts, lengths) = runs(&numbers);
    if starts.len() > RUNS + texts.len() / ROWS_OF_A_RUN || place as usize > PAGES * texts.len() {
        return Ok(());
    }
    sqlx::query!(
        "insert into hiersync_internal.known_page (source_id, parent_id, place, digest, starts, lengths, numbers)
         select $1, $2, $3, $4, $5, $6, coalesce(range_agg(int4range(r.start, r.start + r.length)) filter (where r.start > 0), '{}')
         from unnest($5::int[], $6::int[]) as r (start, length)
         on conflict (source_id, parent_id, place)
         do update set digest = excluded.digest, starts = excluded.starts, lengths = excluded.lengths, numbers = excluded.numbers",
        at.source_id,
        i64::from(list_of),
        place.cast_signed(),
        digest(texts, &numbers),
        &starts,
        &lengths
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of the texts whose rows are numbered. Of others nothing is kept.
fn digest(texts: &[(NodeId, Digest)], numbers: &[i32]) -> Uuid {
    let mut all = Xxh3::new();
    for ((key, digest), number) in texts.iter().zip(numbers) {
        if *number > 0 {
            all.update(&i64::from(*key).to_le_bytes());
            all.update(digest.0.as_bytes());
        }
    }
    Uuid::from_u128(all.digest128())
}
