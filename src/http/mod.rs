//! HTTP: the listeners, the routes, the body, the answers.

pub mod address;
pub mod admin;
pub mod api;
pub mod body;
mod bulk;
pub mod connection;
pub mod cors;
pub mod credentials;
pub mod events;
pub mod gainsight;
pub mod on_demand;
pub mod openapi;
pub mod pages;
pub mod pixel;
pub mod places;
pub mod proof;
pub mod proxied;
pub mod response;
pub mod routes;
pub mod server;
pub mod source_config;
mod strangers;
pub mod tls;
