//! Files, threads and calls, as the operating system has them: [`disk`] is every call that changes a file, [`advice`]
//! what to do where one is refused, [`worker`] a thread that can be woken, stopped and waited for, [`agent`] what other
//! systems are called with by HTTP.

pub mod advice;
pub mod agent;
pub mod certificates;
pub mod disk;
pub mod worker;
