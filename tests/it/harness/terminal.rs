//! A terminal, and somebody who types when they are asked.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use nix::{
    fcntl::OFlag,
    pty::{grantpt, posix_openpt, ptsname_r, unlockpt},
};

use super::until::{seconds, until};

/// A program that believes that a person sits there.
pub struct Terminal {
    keys: File,
    screen: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    child: Child,
    /// So much of the screen has been read.
    read: usize,
}

impl Terminal {
    /// Starts it there.
    pub fn start(mut command: Command) -> Self {
        // No end of it is handed on to a program that another test starts: whoever reads sees when this one has ended.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let slave = options.open(ptsname_r(&master).unwrap()).unwrap();
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave).env("TERM", "xterm");
        let child = command.spawn().unwrap();
        drop(command);
        let keys = File::from(std::os::fd::OwnedFd::from(master));
        let mut from = keys.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(String::new()));
        let shown = screen.clone();
        let reader = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(many) = from.read(&mut bytes)
                && many > 0
            {
                shown.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..many]));
            }
        });
        Self { keys, screen, reader, child, read: 0 }
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

    /// Its exit code, and all that was shown until then.
    pub async fn end(mut self) -> (i32, String) {
        until("it ends", seconds(60), async || self.child.try_wait().unwrap().is_some()).await;
        until("all that it said is read", seconds(60), async || self.reader.is_finished()).await;
        (self.child.wait().unwrap().code().unwrap_or(-1), self.screen())
    }
}
