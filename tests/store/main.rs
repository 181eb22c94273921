//! The store on both of its databases: SQLite, and a real PostgreSQL.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

/// Runs each case of a module on both databases.
macro_rules! on_both {
    ($($case:ident)*) => {
        mod on_sqlite {
            $(#[test] fn $case() { super::$case(crate::loading::Loading::on_sqlite()); })*
        }
        mod on_postgres {
            $(#[test] fn $case() { super::$case(crate::loading::Loading::on_postgres()); })*
        }
    };
}

mod breaking;
mod cases;
mod erasing;
mod fought;
mod inspecting;
mod interrupted;
mod joining;
mod loading;
mod merging;
mod migrating;
mod model;
mod on_postgres;
mod rebuilding;
mod records;
mod values;
