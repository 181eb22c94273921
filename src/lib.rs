//! Weir takes customer-success events over HTTP and puts durable, Gainsight-shaped records on a queue.
//!
//! # The way of one event
//!
//! A client posts to `/v1/identify`. [`http::server`] accepts the connection (where that is TLS, after the
//! handshake of [`http::tls`]) and hands every request to one dispatcher, which looks its path up in
//! [`http::routes`]. An event route goes to [`http::events`], which reads like the sentence that follows:
//!
//! 1. **Who is it, may it?** [`admission`] finds the source of the access key; an unknown key, a wrong shared secret
//!    ([`http::proof`]), a disabled source or a queue without room is answered before the body is read.
//! 2. **The body.** [`http::body`] reads it within its deadlines and inflates it while it streams, against
//!    the memory that all requests share ([`http::budget`]). A signature is checked on the way.
//! 3. **What is in it?** [`gateway::process`] is the table of contents of the pure part: it splits the body
//!    into events ([`event`]: borrowed slices, no tree), validates them, and maps them ([`mapping`]:
//!    tables of fields, RudderStack's rules) to records ([`record`]: spans of one buffer). What can't be
//!    mapped becomes a record too, with its reason ([`quarantine`]).
//! 4. **Durable.** [`queue`] takes all records of the request or none, and resolves one receipt when the
//!    last of them is durable: on the embedded [`queue::journal`] or on [`queue::kafka`].
//! 5. **The answer.** [`http::answer`] is the table of what clients are told. Only now is the event counted
//!    ([`tally`], [`metrics`]), once.
//!
//! Nothing of ours stands between the socket and the queue: no channel, no background task, no lock.
//!
//! RudderStack's Gainsight destination takes the same way by [`http::gainsight`], for which Weir is Gainsight: other
//! names ([`mapping::gainsight`]), other answers, a publisher's secret instead of an access key.
//!
//! # The rest
//!
//! What was rejected is mapped again by [`replay`], which a command asks of a running gateway over [`control`].
//!
//! [`config`] reads and checks the configuration and resolves it into [`tenants`], all that the request path
//! looks up. [`app`] is what requests share. [`first_start`] makes a source to try Weir with. [`cli`] holds
//! the commands, a file or folder each. [`telemetry`] starts the logs, [`unmapped`] tells operators which track
//! events nobody maps, [`reused`] who uses ids twice, [`unavailable`] why clients are told to come again,
//! [`unverifiable`] that a sender signs and nothing can verify it.

pub mod admission;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod event;
pub mod first_start;
pub mod gateway;
pub mod http;
pub mod mapping;
pub mod metrics;
pub mod quarantine;
pub mod queue;
pub mod record;
pub mod replay;
pub mod reused;
pub mod tally;
pub mod telemetry;
pub mod tenants;
pub mod unavailable;
pub mod unmapped;
pub mod unverifiable;
