//! Speaks as much HTTP/1.1 as the program needs, on a port of loopback: GET without a body, connections that stay. Lets everybody in.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::account::{self, Account};

/// The vendor, as long as it is held.
pub struct Door {
    pub url: String,
    _serving: JoinSet<()>,
}

impl Door {
    pub async fn open(account: Arc<Account>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, account));
        Self { url, _serving: serving }
    }
}

async fn serve(listener: TcpListener, account: Arc<Account>) {
    let mut guests = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        guests.spawn(talk(stream, Arc::clone(&account)));
    }
}

/// One request after the other, as the program sends them.
async fn talk(mut stream: TcpStream, account: Arc<Account>) {
    let (mut asked, mut body): (Vec<u8>, Vec<u8>) = (Vec::with_capacity(4096), Vec::new());
    stream.set_nodelay(true).unwrap();
    loop {
        asked.clear();
        while !asked.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut asked).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        body.clear();
        let status = answer(&account, &asked, &mut body);
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(&body).await.is_err() {
            return;
        }
    }
}

/// Writes the body, and gives the status. A customer by its id is not there, as the vendor documents none.
fn answer(account: &Account, asked: &[u8], body: &mut Vec<u8>) -> &'static str {
    let line = std::str::from_utf8(asked).unwrap().lines().next().unwrap_or_default();
    let target = line.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/v2/customers/lookup" => body.extend_from_slice(format!(r#"{{"entity":{},"warnings":[]}}"#, account::ROOT).as_bytes()),
        "/v2/customers/bulk" => {
            let number = |name: &str| param(query, name).and_then(|text| text.parse::<u32>().ok());
            let parent = param(query, "associationEntityIdentifierValue").and_then(account::number_of).unwrap();
            account.append_page(parent, number("offset").unwrap_or(0), number("limit").unwrap_or(10), body);
        }
        _ => return "404 Not Found",
    }
    "200 OK"
}

/// As it is sent: nothing that is asked for here needs an escape.
fn param<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
