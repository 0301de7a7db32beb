//! Work for the processor, beside the task that waits for it.

/// Fewer bytes are read sooner than another thread is woken: about 0.1 ms.
const WORTH_IT: usize = 64 * 1024;

/// Does what reads so many bytes. Of many it is done on another thread, so that whoever shares this task (a page that is being written)
/// goes on meanwhile.
pub async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes < WORTH_IT {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down, and whoever waits goes with it.
            Err(_) => std::future::pending().await,
        },
    }
}
