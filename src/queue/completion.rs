//! One completion per request: the queue counts its records down, and the request waits once.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::task::AtomicWaker;

/// At least one record of the request is not durable, or may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not every record became durable")]
pub struct NotDurable;

/// The queue's end: shared by the records of one request.
#[derive(Debug)]
pub struct Completion {
    left: AtomicUsize,
    failed: AtomicBool,
    waker: AtomicWaker,
}

/// The request's end: a future that resolves once, without an allocation or a lock of its own.
#[derive(Debug)]
pub struct Receipt(Arc<Completion>);

impl Completion {
    /// A completion for `records` records, and its receipt.
    pub fn new(records: usize) -> (Arc<Completion>, Receipt) {
        let completion = Arc::new(Completion {
            left: AtomicUsize::new(records),
            failed: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        (Arc::clone(&completion), Receipt(completion))
    }

    /// `records` more of them are durable.
    pub fn durable(&self, records: usize) {
        if self.left.fetch_sub(records, Ordering::AcqRel) <= records {
            self.waker.wake();
        }
    }

    /// One of them is lost: the request need not wait for the others.
    pub fn failed(&self) {
        self.failed.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// Wakes a waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on a thread that has nothing else to do.
pub(crate) fn wait_for<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}

impl Future for Receipt {
    type Output = Result<(), NotDurable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.waker.register(context.waker());
        if self.0.failed.load(Ordering::Acquire) {
            Poll::Ready(Err(NotDurable))
        } else if self.0.left.load(Ordering::Acquire) == 0 {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_receipt_resolves_when_the_last_record_is_durable() {
        let (completion, mut receipt) = Completion::new(3);
        completion.durable(2);
        assert_eq!((&mut receipt).now_or_never(), None);
        completion.durable(1);
        assert_eq!(receipt.now_or_never(), Some(Ok(())));
    }

    #[test]
    fn one_lost_record_fails_the_request_at_once() {
        let (completion, receipt) = Completion::new(2);
        completion.failed();
        assert_eq!(receipt.now_or_never(), Some(Err(NotDurable)));
    }

    #[test]
    fn a_request_without_records_is_durable() {
        let (_completion, receipt) = Completion::new(0);
        assert_eq!(receipt.now_or_never(), Some(Ok(())));
    }
}
