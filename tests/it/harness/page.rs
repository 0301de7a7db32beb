//! A daemon with its page, and who asks for it.

use std::{net::TcpListener, time::Duration};

use reqwest::{Client, Method, redirect::Policy};

use super::{case::Case, program::Program, running::Running, until::seconds};

/// A daemon whose page is at a port of its own.
pub struct Page {
    /// The daemon.
    pub daemon: Running,
    /// Where it is: `127.0.0.1:port`.
    pub host: String,
    /// Its config, which goes with it.
    _program: Program,
    client: Client,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

/// Headers by name.
pub type Sent<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// Starts the daemon. `listen`: the address without its port; `token`: the secret `daemon.token`.
    pub async fn at(case: &Case, listen: &str, token: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut program = Program::edited(case, |config| config.replace("listen = \"\"", &format!("listen = \"{listen}:{port}\"")));
        if let Some(token) = token {
            program = program.with("HIERSYNC_DAEMON_TOKEN", token);
        }
        let daemon = Running::start(&program, &["daemon"]);
        daemon.says("ready sources=", seconds(20)).await;
        let client = Client::builder().redirect(Policy::none()).timeout(Duration::from_secs(20)).build().unwrap();
        Self { daemon, host: format!("127.0.0.1:{port}"), _program: program, client }
    }

    /// On loopback, without a token.
    pub async fn of(case: &Case) -> Self {
        Self::at(case, "127.0.0.1", None).await
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str, sent: Sent<'_>) -> Answer {
        self.ask(Method::GET, path, sent, "").await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, sent: Sent<'_>, form: &str) -> Answer {
        let all: Vec<(&str, &str)> =
            [("content-type", "application/x-www-form-urlencoded")].into_iter().chain(sent.iter().copied()).collect();
        self.ask(Method::POST, path, &all, form).await
    }

    async fn ask(&self, method: Method, path: &str, sent: Sent<'_>, body: &str) -> Answer {
        let mut request = self.client.request(method, format!("http://{}{path}", self.host)).body(body.to_owned());
        for (name, value) in sent {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, body: response.text().await.unwrap() }
    }

    /// Ends the daemon.
    pub async fn stop(self) {
        let (ended, took) = self.daemon.stop("-TERM", seconds(15)).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(took < seconds(10), "{took:?}");
    }
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
