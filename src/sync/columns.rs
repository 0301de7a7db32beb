//! Columns that `columns` asks for and in which no row has a value: a name may be misspelt.

use super::{
    context::{Synced, Tables},
    writing::Writing,
};
use crate::{
    model::{finding::Finding, reach::Reach},
    store::{finding, mirror::Mirror},
};

/// At the end of a complete walk, when the mirror is as the vendor showed it: tells what never came. Not where all that is read came without
/// them, since the vendor has refused one, which is told by itself.
pub async fn tell_absent<V: Synced>(w: &mut Writing<'_, V>) -> sqlx::Result<()> {
    let asked = w.context.caller.vendor.asked_columns();
    let is_all_searched = w.context.walk().reach == Some(Reach::Directory);
    if asked.is_empty() || (is_all_searched && finding::any_of(&mut w.step.conn(), &w.context.open, &["columns_refused"]).await?) {
        return Ok(());
    }
    let absent = Tables::<V>::absent_columns(&mut w.step.conn(), w.at.source_id, &asked).await?;
    let finding = |column: String| {
        let say = format!(
            "`columns` asks for {column}, and no row of a complete walk had a value in it; the vendor may know it under another name: \
             correct `columns`, or take it out"
        );
        Finding::new("column_absent", column, say)
    };
    finding::open(&mut w.step.conn(), w.at, &absent.into_iter().map(finding).collect::<Vec<_>>()).await
}
