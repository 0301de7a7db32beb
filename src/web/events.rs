//! Tells a page that somebody looks at that there is something new.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{StreamExt, stream};

use super::{ANSWERED_WITHIN, Seen, in_time};
use crate::{
    clock,
    store::{look, session},
};

/// How often it is looked for news.
const LOOKED_EVERY: Duration = Duration::from_secs(2);

/// Without news it is told this often that time has passed: how long ago something was is to stay true.
const RENEWED_EVERY: Duration = Duration::from_secs(10);

pub(super) async fn events(State(seen): State<Seen>) -> Response {
    let Ok(place) = seen.watched.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are looked at already\n").into_response();
    };
    let stop = seen.stop.clone();
    let news = stream::unfold((seen, None, place), |(seen, before, place)| async move {
        let mut pulse = pulse(&seen).await;
        let began = clock::instant();
        // What is there at first was shown, or has come since.
        while before.as_ref() == Some(&pulse) && began.elapsed() < RENEWED_EVERY {
            tokio::time::sleep(LOOKED_EVERY).await;
            pulse = self::pulse(&seen).await;
        }
        let what = if before.as_ref() == Some(&pulse) { "time" } else { "new" };
        Some((Ok::<Event, Infallible>(Event::default().data(what)), (seen, Some(pulse), place)))
    });
    let until_stop = news.take_until(async move { stop.cancelled().await });
    // nginx would keep what is told until its buffer is full.
    ([("x-accel-buffering", "no")], Sse::new(until_stop).keep_alive(KeepAlive::default())).into_response()
}

/// A text that changes with whatever there is to be seen.
async fn pulse(seen: &Seen) -> String {
    let read = async { look::pulse(&mut session::begin_to_read(&seen.pool).await?.conn()).await };
    let stored = in_time(&seen.pool, ANSWERED_WITHIN, read).await.unwrap_or_else(|_| "the database is away".to_owned());
    let live = seen.house.look().sources;
    let doing: Vec<String> = live.iter().map(|live| format!("{} {:?}", live.state.as_ref(), live.next_due)).collect();
    format!("{stored} {}", doing.join(" "))
}
