//! A real browser, driven by WebDriver (W3C): Debian's chromium by its chromedriver.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::until::{seconds, until};

/// What an element is called by in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    client: Client,
    session: String,
}

/// The driver ends its browser and then itself, if it is asked to. A driver that is killed leaves its browser behind.
impl Drop for Browser {
    fn drop(&mut self) {
        if let Ok(mut asked) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = asked.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\n\r\n");
            for _ in 0..100 {
                if matches!(self.driver.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts one whose window is so wide.
    pub async fn start(width: u32) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let driver =
            Command::new("chromedriver").arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let client = Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let at = format!("http://127.0.0.1:{port}");
        until("the driver answers", seconds(30), async || client.get(format!("{at}/status")).send().await.is_ok()).await;
        let args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", &format!("--window-size={width},1200")];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}
        }}});
        let mut browser = Self { driver, port, client, session: format!("{at}/session") };
        let session = browser.ask(Method::POST, "", &wanted).await["sessionId"].as_str().unwrap().to_owned();
        browser.session = format!("{at}/session/{session}");
        // A page of a thousand rows is looked through for faults.
        browser.ask(Method::POST, "/timeouts", &json!({"script": 55_000})).await;
        browser
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        self.try_ask(method, path, body).await.unwrap_or_else(|why| panic!("{path}: {why}"))
    }

    async fn try_ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.session));
        if method == Method::POST {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let text = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        if answer["value"]["error"].is_null() { Ok(answer["value"].clone()) } else { Err(answer["value"]["message"].to_string()) }
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) {
        self.ask(Method::POST, "/url", &json!({"url": url})).await;
    }

    /// What a script returns, which may be a promise.
    pub async fn run(&self, script: &str) -> Value {
        self.ask(Method::POST, "/execute/sync", &json!({"script": script, "args": []})).await
    }

    /// The text of the first element.
    pub async fn text(&self, css: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(css));
        self.run(&script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of the first element contains this.
    pub async fn says(&self, css: &str, words: &str, within: Duration) {
        until(&format!("{css} says {words:?}"), within, async || self.text(css).await.contains(words)).await;
    }

    /// Clicks on the first element as a person would.
    pub async fn click(&self, css: &str) {
        // What is found may be renewed before it is clicked on.
        until(&format!("{css} can be clicked on"), seconds(10), async || {
            let Ok(found) = self.try_ask(Method::POST, "/element", &json!({"using": "css selector", "value": css})).await else {
                return false;
            };
            let id = found[ELEMENT].as_str().unwrap().to_owned();
            self.try_ask(Method::POST, &format!("/element/{id}/click"), &json!({})).await.is_ok()
        })
        .await;
    }

    /// Presses keys.
    pub async fn press(&self, keys: &str) {
        let each: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({"type": "keyDown", "value": key.to_string()}), json!({"type": "keyUp", "value": key.to_string()})])
            .collect();
        self.ask(Method::POST, "/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": each}]})).await;
    }

    /// A command of the browser's own protocol.
    pub async fn command(&self, name: &str, with: Value) {
        self.ask(Method::POST, "/goog/cdp/execute", &json!({"cmd": name, "params": with})).await;
    }

    /// Another tab in front, or the first one again.
    pub async fn hide(&self, is_hidden: bool) {
        if is_hidden {
            let tab = self.ask(Method::POST, "/window/new", &json!({"type": "tab"})).await;
            self.ask(Method::POST, "/window", &json!({"handle": tab["handle"]})).await;
        } else {
            let tabs = self.ask(Method::GET, "/window/handles", &Value::Null).await;
            self.ask(Method::POST, "/window", &json!({"handle": tabs[0]})).await;
        }
    }

    /// What the page has complained of since it was last asked.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.ask(Method::POST, "/se/log", &json!({"type": "browser"})).await;
        log.as_array().into_iter().flatten().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Writes what is to be seen into a file, if `HIERSYNC_SHOTS` names a folder.
    pub async fn shoot(&self, name: &str) {
        if let Ok(folder) = std::env::var("HIERSYNC_SHOTS") {
            let picture = self.ask(Method::GET, "/screenshot", &Value::Null).await;
            let picture = BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap();
            std::fs::write(format!("{folder}/{name}.png"), picture).unwrap();
        }
    }
}
