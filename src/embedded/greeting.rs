//! Asks the server whether it lets us in, as a client would: while it recovers it listens, and refuses.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::{DATABASE, USER};

const LIMIT: Duration = Duration::from_secs(5);
/// Version 3.0 of the protocol.
const PROTOCOL: i32 = 196_608;
/// `ReadyForQuery`, outside of a transaction: the end of a welcome.
const READY_FOR_QUERY: &[u8] = b"Z\0\0\0\x05I";
const TERMINATE: &[u8] = b"X\0\0\0\x04";
/// `cannot_connect_now`, as a field of an error: starting, recovering, or shutting down.
const NOT_NOW: &[u8] = b"C57P03\0";

/// What a server says to who comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It takes connections. One that has none to spare does.
    Welcome,
    /// It starts, recovers or stops.
    NotNow,
    /// Nothing that could be understood.
    Silence,
}

/// What the server at `socket` says.
pub(super) async fn asked(socket: &Path) -> Answer {
    timeout(LIMIT, greet(socket)).await.map_or(Answer::Silence, |answer| answer.map_or(Answer::Silence, |answer| understood(&answer)))
}

/// Hears the answer to its end: hanging up in the middle leaves a complaint in the server's log.
async fn greet(socket: &Path) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&startup()).await?;
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await? > 0 {
        if answer.ends_with(READY_FOR_QUERY) {
            stream.write_all(TERMINATE).await?;
            break;
        }
    }
    Ok(answer)
}

fn startup() -> Vec<u8> {
    let parameters = format!("user\0{USER}\0database\0{DATABASE}\0\0");
    let length = 8 + i32::try_from(parameters.len()).unwrap_or(i32::MAX - 8);
    [&length.to_be_bytes(), &PROTOCOL.to_be_bytes(), parameters.as_bytes()].concat()
}

fn understood(answer: &[u8]) -> Answer {
    match answer.first() {
        Some(b'R') => Answer::Welcome,
        Some(b'E') if answer.windows(NOT_NOW.len()).any(|part| part == NOT_NOW) => Answer::NotNow,
        Some(b'E') => Answer::Welcome,
        _ => Answer::Silence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_recovers_does_not_welcome_and_a_full_one_does() {
        assert_eq!(understood(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"), Answer::Welcome);
        assert_eq!(understood(b"E\0\0\0\x51SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"), Answer::NotNow);
        assert_eq!(understood(b"E\0\0\0\x51SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"), Answer::Welcome);
        assert_eq!(understood(b""), Answer::Silence);
    }

    #[test]
    fn the_startup_message_tells_its_own_length() {
        let message = startup();
        assert_eq!(i32::from_be_bytes([message[0], message[1], message[2], message[3]]), i32::try_from(message.len()).unwrap());
    }
}
