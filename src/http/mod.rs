//! HTTP: the listeners, the routes, the body, the answers.

pub mod admin;
pub mod answer;
pub mod body;
pub mod budget;
pub mod connection;
pub mod cors;
pub mod events;
pub mod gainsight;
pub mod pages;
pub mod places;
pub mod proof;
pub mod routes;
pub mod server;
pub mod tls;
