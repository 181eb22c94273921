//! Where requests and replays meet the queue: what they share ([`app`]), the tenants and limits that hold for one of
//! them ([`snapshot`]), the memory that bodies may take ([`budget`]), and the way into the queue ([`submit`]).

pub mod app;
pub mod budget;
pub mod snapshot;
pub mod submit;
