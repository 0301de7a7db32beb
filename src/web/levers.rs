//! What a person may do on the page: the same as on the command line.

use std::net::SocketAddr;

use axum::{
    Extension, Form,
    extract::{ConnectInfo, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    ANSWERED_WITHIN, Seen,
    guard::May,
    in_time,
    page::{Frame, sign_in as form},
    pages::NoPage,
    see_other,
    token::TooManyTries,
};
use crate::store::{refresh as wish, session, source};

fn back(source: &str, done: &str) -> Response {
    see_other(&format!("/source/{source}?done={done}"))
}

/// A page that says so, where the daemon does not serve this source.
fn unserved(seen: &Seen, name: &str, may: May) -> Option<Response> {
    let is_there = seen.house.look().sources.iter().any(|live| live.source == name);
    (!is_there).then(|| NoPage::Missing(format!("This daemon serves no source {name}.")).told(may))
}

pub(super) async fn sync(State(seen): State<Seen>, Extension(may): Extension<May>, Path(name): Path<String>) -> Response {
    if let Some(refused) = unserved(&seen, &name, may) {
        return refused;
    }
    seen.house.sync(&name);
    back(&name, "sync")
}

pub(super) async fn pause(State(seen): State<Seen>, Extension(may): Extension<May>, Path(name): Path<String>) -> Response {
    turn(&seen, may, &name, true).await
}

pub(super) async fn resume(State(seen): State<Seen>, Extension(may): Extension<May>, Path(name): Path<String>) -> Response {
    turn(&seen, may, &name, false).await
}

async fn turn(seen: &Seen, may: May, name: &str, is_paused: bool) -> Response {
    let write = async {
        let mut step = session::begin(&seen.pool).await?;
        let is_there = source::is_there(&mut step.conn(), name).await?;
        let turned = if is_paused { source::pause(&mut step.conn(), name).await } else { source::resume(&mut step.conn(), name).await };
        turned?;
        step.commit().await.map(|()| is_there)
    };
    match in_time(&seen.pool, ANSWERED_WITHIN, write).await {
        Ok(true) => back(name, if is_paused { "pause" } else { "resume" }),
        Ok(false) => NoPage::Missing(format!("There is no source {name}.")).told(may),
        Err(error) => NoPage::from(error).told(may),
    }
}

/// How a node is to be read.
#[derive(Debug, Deserialize)]
pub(super) struct Refresh {
    #[serde(default)]
    below: String,
}

pub(super) async fn refresh(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    Path((name, node)): Path<(String, String)>,
    Form(how): Form<Refresh>,
) -> Response {
    if let Some(refused) = unserved(&seen, &name, may) {
        return refused;
    }
    let nodes = [node.clone()];
    let ask = async {
        let mut step = session::begin(&seen.pool).await?;
        if !wish::unknown(&mut step.conn(), &name, &nodes).await?.is_empty() {
            return Ok(false);
        }
        wish::ask(&mut step.conn(), &name, &nodes, !how.below.is_empty()).await?;
        step.commit().await.map(|()| true)
    };
    match in_time(&seen.pool, ANSWERED_WITHIN, ask).await {
        Ok(true) => {
            seen.house.refresh(&name);
            see_other(&format!("{}?done=refresh", super::page::node_at(&name, &node)))
        }
        Ok(false) => NoPage::Missing(format!("{name} has no live node {node}.")).told(may),
        Err(error) => NoPage::from(error).told(may),
    }
}

/// What is typed in.
#[derive(Deserialize)]
pub(super) struct Typed {
    token: String,
}

pub(super) async fn sign_in_form(Extension(may): Extension<May>) -> Response {
    form_page(StatusCode::OK, may, None)
}

pub(super) async fn sign_in(
    State(seen): State<Seen>,
    Extension(may): Extension<May>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Form(typed): Form<Typed>,
) -> Response {
    match seen.guard.sign_in(from.ip(), &typed.token) {
        Some(Ok(cookie)) => {
            let mut response = see_other("/");
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Some(Err(TooManyTries)) => form_page(StatusCode::TOO_MANY_REQUESTS, may, Some("Too many tries: wait a minute.")),
        None => form_page(StatusCode::UNAUTHORIZED, may, Some("This is not the token.")),
    }
}

pub(super) async fn sign_out(State(seen): State<Seen>) -> Response {
    let mut response = see_other("/");
    response.headers_mut().extend(seen.guard.sign_out().map(|ended| (header::SET_COOKIE, ended)));
    response
}

fn form_page(status: StatusCode, may: May, wrong: Option<&str>) -> Response {
    let frame = Frame { title: "Sign in", may, renewed: None, done: None };
    (status, frame.around(&form::body(wrong))).into_response()
}
