//! Locks on files between processes. They end with their process, however it dies.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag},
};

use super::error::EmbeddedError;
use crate::clock;

const POLL: Duration = Duration::from_millis(10);

/// A held lock; dropping it gives it up.
#[derive(Debug)]
pub struct Lock(Flock<File>);

impl Lock {
    /// Makes a shared lock exclusive if nobody else shares it. If somebody does, the lock is lost: flock gives up the
    /// old one first.
    pub(super) fn try_upgrade(&self) -> bool {
        self.0.relock(FlockArg::LockExclusiveNonblock).is_ok()
    }
}

/// A share of the lock, unless somebody holds it alone.
pub fn try_shared(path: &Path) -> Result<Option<Lock>, EmbeddedError> {
    take(path, FlockArg::LockSharedNonblock)
}

/// The lock alone, when it comes free within `limit`.
pub fn exclusive_within(path: &Path, limit: Duration) -> Result<Option<Lock>, EmbeddedError> {
    let began = clock::instant();
    loop {
        let lock = take(path, FlockArg::LockExclusiveNonblock)?;
        if lock.is_some() || began.elapsed() >= limit {
            return Ok(lock);
        }
        std::thread::sleep(POLL);
    }
}

/// The lock alone, however long it takes.
pub fn exclusive(path: &Path) -> Result<Lock, EmbeddedError> {
    loop {
        if let Some(lock) = take(path, FlockArg::LockExclusive)? {
            return Ok(lock);
        }
    }
}

/// Whether nobody holds the lock alone. Looks by sharing it for an instant, so that lookers do not see each other.
pub fn is_free(path: &Path) -> Result<bool, EmbeddedError> {
    Ok(try_shared(path)?.is_some())
}

fn take(path: &Path, kind: FlockArg) -> Result<Option<Lock>, EmbeddedError> {
    let mut options = OpenOptions::new();
    // No symlinks: root must not be led astray by the owner of the folder.
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(path).map_err(EmbeddedError::io("open", path))?;
    match Flock::lock(file, kind) {
        Ok(lock) => Ok(Some(Lock(lock))),
        Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(EmbeddedError::io("lock", path)(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_and_none_of_them_has_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = try_shared(&path).unwrap().unwrap();
        let second = try_shared(&path).unwrap().unwrap();
        assert!(is_free(&path).unwrap());
        assert!(exclusive_within(&path, Duration::ZERO).unwrap().is_none());
        assert!(!first.try_upgrade());
        assert!(second.try_upgrade());
        assert!(!is_free(&path).unwrap());
        drop((first, second));
        assert!(exclusive_within(&path, Duration::ZERO).unwrap().is_some());
    }

    #[test]
    fn a_symlink_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(try_shared(&path).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
