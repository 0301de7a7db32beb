//! A terminal, and somebody who types when they are asked.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread,
};

use nix::pty::openpty;

use super::until::{seconds, until};

/// A program that believes that a person sits there.
pub struct Terminal {
    keys: File,
    screen: Arc<Mutex<String>>,
    child: Child,
    /// So much of the screen has been read.
    read: usize,
}

impl Terminal {
    /// Starts it there.
    pub fn start(mut command: Command) -> Self {
        let pty = openpty(None, None).unwrap();
        command.stdin(pty.slave.try_clone().unwrap()).stdout(pty.slave.try_clone().unwrap()).stderr(pty.slave).env("TERM", "xterm");
        let child = command.spawn().unwrap();
        // Its ends of the terminal are the program's alone: who reads sees when it has ended.
        drop(command);
        let keys = File::from(pty.master);
        let mut from = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = screen.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(many) = from.read(&mut bytes)
                && many > 0
            {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..many]));
            }
        });
        Self { keys, screen, child, read: 0 }
    }

    /// All that was shown.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits until this is shown, after what was waited for before, and types.
    pub async fn answer(&mut self, question: &str, keys: &str) {
        self.sees(question).await;
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until this is shown, after what was waited for before.
    pub async fn sees(&mut self, words: &str) {
        let what = format!("{words:?} is shown after {:?}", self.screen().get(self.read..));
        until(&what, seconds(60), async || self.screen()[self.read..].contains(words)).await;
        let place = self.screen()[self.read..].find(words).unwrap();
        self.read += place + words.len();
    }

    /// Its exit code.
    pub async fn end(mut self) -> (i32, String) {
        until("it ends", seconds(60), async || self.child.try_wait().unwrap().is_some()).await;
        (self.child.wait().unwrap().code().unwrap_or(-1), self.screen())
    }
}
