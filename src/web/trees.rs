//! The pages about nodes: a tree, level by level, who is looked for, and one node.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use serde::Deserialize;

use super::{
    ANSWERED_WITHIN, Seen,
    guard::May,
    in_time,
    page::{
        self, Renewed,
        node::OneNode,
        tree::{self as tree_page, Branch},
    },
    pages::{CHANGES, Done, NoPage, framed, no_source},
};
use crate::{
    store::{
        conn::Conn,
        look, report, session,
        tree::{TreeLine, Trees, Wanted, Which},
    },
    text::chain,
};

/// Children of one node that are shown at once.
const CHILDREN: i64 = 500;

/// Which part of which tree.
#[derive(Debug, Deserialize)]
pub(super) struct AskedTree {
    #[serde(default)]
    node: Option<String>,
    #[serde(default)]
    at: String,
}

/// One level of a tree: the roots, or who hangs on a node.
async fn level(conn: &mut Conn<'_>, source: &str, node: Option<&str>, (which, is_by_name): (Which, bool)) -> Result<Vec<TreeLine>, NoPage> {
    let Some(trees) = Trees::of(conn, source).await? else { return Err(no_source(source)) };
    let (trees, depth) = match node {
        None => (trees, 0),
        Some(node) => {
            let missing = || NoPage::Missing(format!("{source} has no node {node}."));
            (trees.below(node).ok_or_else(missing)?, 1)
        }
    };
    let wanted = Wanted { depth, children: Some(CHILDREN), which, is_by_name };
    let lines: Vec<TreeLine> = trees.lines(conn, wanted).try_collect().await?;
    Ok(lines.into_iter().filter(|line| line.depth == depth).collect())
}

/// One level, and who in it was changed by the last walk.
async fn branch(seen: &Seen, may: May, (source, node): (&str, Option<&str>), which: Which) -> Result<(Vec<TreeLine>, Vec<String>), NoPage> {
    let read = async {
        let mut step = session::begin_to_read(&seen.pool).await?;
        let conn = &mut step.conn();
        let lines = match level(conn, source, node, (which, may.see_persons)).await {
            Ok(lines) => lines,
            Err(NoPage::Database(error)) => return Err(error),
            Err(missing) => return Ok(Err(missing)),
        };
        let keys: Vec<String> = lines.iter().map(|line| line.key.clone()).collect();
        let changed = look::changed_last(conn, source, &keys).await?;
        Ok(Ok((lines, changed)))
    };
    seen.at_length(read).await?
}

/// A time whose history was removed is asked for in vain; what the database says of it tells from when there is one. SQLSTATE `P0002`.
fn not_kept(error: &sqlx::Error) -> Option<String> {
    let told = error.as_database_error().filter(|told| told.code().as_deref() == Some("P0002"))?;
    Some(told.message().to_owned())
}

pub(super) async fn tree(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path(source): Path<String>,
    Query(asked): Query<AskedTree>,
) -> Response {
    let (at, mut wrong) = match tree_page::typed(&asked.at) {
        Ok(at) => (at, None),
        Err(wrong) => (None, Some(wrong)),
    };
    let (lines, changed) = match branch(&seen, may, (&source, None), at.map_or(Which::Settled, Which::At)).await {
        Ok(read) => read,
        Err(NoPage::Database(error)) if not_kept(&error).is_some() => {
            wrong = not_kept(&error);
            Default::default()
        }
        Err(none) => return none.told(may),
    };
    let branch = Branch { source: &source, lines: &lines, changed: &changed, at, may };
    framed(&format!("{source}: tree"), may, None, &Done::default(), &tree_page::body(&branch, wrong.as_deref()))
}

/// What hangs on a node, as a part of a page.
pub(super) async fn below(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path(source): Path<String>,
    Query(asked): Query<AskedTree>,
) -> Response {
    let at = tree_page::typed(&asked.at).unwrap_or_default();
    match branch(&seen, may, (&source, asked.node.as_deref()), at.map_or(Which::Settled, Which::At)).await {
        Ok((lines, changed)) => Branch { source: &source, lines: &lines, changed: &changed, at, may }.list().into_response(),
        Err(NoPage::Missing(what)) => (StatusCode::NOT_FOUND, what).into_response(),
        Err(NoPage::Database(error)) => (StatusCode::SERVICE_UNAVAILABLE, chain(&error)).into_response(),
    }
}

/// Whom somebody looks for.
#[derive(Debug, Deserialize)]
pub(super) struct AskedFor {
    #[serde(default)]
    q: String,
}

pub(super) async fn search(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path(source): Path<String>,
    Query(asked): Query<AskedFor>,
) -> Response {
    let text = asked.q.trim();
    let read = async { look::search(&mut session::begin_to_read(&seen.pool).await?.conn(), &source, text, may.see_persons).await };
    match seen.at_length(read).await {
        Ok(keys) if keys.len() == 1 => super::see_other(&page::node_at(&source, &keys[0])),
        Ok(keys) => framed(&format!("{source}: search"), may, None, &Done::default(), &tree_page::found(&source, text, &keys, may)),
        Err(error) => NoPage::from(error).told(may),
    }
}

pub(super) async fn node(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path((source, key)): Path<(String, String)>,
    Query(done): Query<Done>,
) -> Response {
    let read = async {
        let mut step = session::begin_to_read(&seen.pool).await?;
        let conn = &mut step.conn();
        let Some(node) = look::node(conn, &source, &key).await? else { return Ok(None) };
        let changes = report::changes(conn, Some(&source), None, Some(&key), CHANGES / 4).await?;
        Ok(Some((node, changes, look::kinds(conn, &source, Some(&key)).await?)))
    };
    let (node, changes, kinds) = match in_time(&seen.pool, ANSWERED_WITHIN, read).await {
        Ok(Some(read)) => read,
        Ok(None) => return NoPage::Missing(format!("{source} has no node {key}.")).told(may),
        Err(error) => return NoPage::from(error).told(may),
    };
    let (lines, changed) = match branch(&seen, may, (&source, Some(&key)), Which::Settled).await {
        Ok(read) => read,
        Err(none) => return none.told(may),
    };
    let is_served = seen.house.look().sources.iter().any(|live| live.source == source);
    let branch = Branch { source: &source, lines: &lines, changed: &changed, at: None, may };
    let one = OneNode { node: &node, branch, changes: &changes, kinds: &kinds, is_served, may };
    framed(&format!("{source}: {key}"), may, Some(Renewed::WithNews), &done, &one.body())
}
