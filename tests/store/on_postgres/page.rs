//! What docs/store-postgres.md shows, on a server of its own: rights that suffice, and queries that are answered.

use weir::store::Store;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::registry::Declared;

use crate::harness::postgres::{Asking, Server};
use crate::loading::known;

const PAGE: &str = include_str!("../../../docs/store-postgres.md");

/// The examples for PostgreSQL, in their order. The superuser of the tests is called weir.
fn examples() -> Vec<String> {
    let blocks = PAGE.split("```postgresql\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .map(|block| {
            let renamed =
                [("ROLE weir", "ROLE loader"), ("OWNER weir", "OWNER loader"), ("TO weir;", "TO loader;")];
            renamed.into_iter().fold(block.to_owned(), |block, (name, other)| block.replace(name, other))
        })
        .collect()
}

/// Does what a loader does first: connects, makes tables and views.
fn start(url: &str) {
    let mut store = PostgresStore::open(&Target::read(url).unwrap()).unwrap();
    let registry = known(&mut store, Declared::default());
    store.begin().unwrap();
    for object in registry.objects() {
        store.put_view(object, &registry.columns(object)).unwrap();
    }
    store.commit().unwrap();
}

#[test]
fn the_documented_rights_suffice_and_every_query_is_answered() {
    let server = Server::start();
    let admin = Asking::of(&server.url);
    let examples = examples();
    let [own, granted, schema, readers, queries @ ..] = &examples[..] else { panic!("{examples:#?}") };
    for statement in own.trim().split_inclusive(';') {
        admin.run(statement);
    }
    let as_loader = |database: &str| server.url_of(database).replace("//weir@", "//loader@");
    start(&as_loader("cs"));
    // The same for a role that owns nothing, which may make schemas, and for one that finds them made.
    for (database, rights) in [("granted", vec![granted]), ("given", vec![granted, schema])] {
        admin.run(&format!("CREATE DATABASE {database} TEMPLATE template0"));
        let inside = Asking::of(&server.url_of(database));
        for right in rights {
            inside.run(&right.replace("DATABASE cs", &format!("DATABASE {database}")));
        }
        if database == "given" {
            inside.run("REVOKE CREATE ON DATABASE given FROM loader");
        }
        start(&as_loader(database));
    }
    let inside = Asking::of(&server.url_of("cs"));
    inside.run("CREATE ROLE bi LOGIN");
    inside.run(readers);
    let reader = Asking::of(&server.url_of("cs").replace("//weir@", "//bi@"));
    assert_eq!(queries.len(), 2);
    for query in queries {
        assert_eq!(reader.ask(query.trim().trim_end_matches(';')), Vec::<String>::new());
    }
}
