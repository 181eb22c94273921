//! Nothing is lost: each row is mapped, or rejected for a reason.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn a_row() -> impl Strategy<Value = Row> {
    let cell = |values: &'static [&'static str]| {
        proptest::option::weighted(0.9, select(values).prop_map(str::to_owned))
    };
    let names = &["Acme", "Bolt", "Cog", "Dot", "\u{200b}"][..];
    let cells = [
        cell(&["1", "2"]).boxed(),
        cell(names).boxed(),
        cell(names).boxed(),
        cell(&["1", "x"]).boxed(),
        cell(&["a@x.de", "a"]).boxed(),
    ];
    (proptest::option::of(0_i64..4), cells)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn each_prepared_row_is_mapped_or_rejected_and_one_of_each_key_is_left(
        rows in proptest::collection::vec(a_row(), 1..30),
        on_none in select(&[OnNone::Null, OnNone::Reject][..]),
        is_many_rejected in any::<bool>(),
    ) {
        // Each row is another one in the source.
        let other = |(at, (modified, mut cells)): (usize, Row)| {
            cells[0] = Some(at.to_string());
            (modified, cells)
        };
        let rows: Vec<Row> = rows.into_iter().enumerate().map(other).collect();
        let on_many = if is_many_rejected { OnMany::Reject } else { OnMany::Any };
        let parent = lookup("ParentCompany", "company", &[("Parent", "Name")], on_many, on_none);
        let job = job("company", &[("Name", "Name", CLEAR), ("Employees", "Size", OnEmpty::Keep)], vec![parent]);
        let outcomes = mapped(&job, &rows, &mut Nothing);
        let places: BTreeSet<i64> = outcomes.iter().map(|outcome| outcome.place).collect();
        prop_assert_eq!(places, (1..=i64::try_from(rows.len()).unwrap()).collect::<BTreeSet<_>>());
        // What becomes of each by itself.
        let names: BTreeSet<&str> = rows.iter().filter_map(|(_, [_, name, _, size, _])| {
            name.as_deref().filter(|name| *name != "\u{200b}" && size.as_deref() != Some("x"))
        }).collect();
        let own = |(_, [_, name, parent, size, _]): &Row| {
            let is_found = parent.as_deref().is_some_and(|parent| names.contains(parent));
            match name.as_deref() {
                _ if size.as_deref() == Some("x") => Err(Code::TypeInvalid),
                None | Some("\u{200b}") => Err(Code::KeyMissing),
                _ if !is_found && on_none == OnNone::Reject => Err(Code::LookupNone),
                Some(name) => Ok(name.to_owned()),
            }
        };
        for outcome in &outcomes {
            let at = usize::try_from(outcome.place).unwrap() - 1;
            match (&outcome.mapped, own(&rows[at])) {
                (Ok(row), Ok(name)) => prop_assert_eq!(&row.key.text, &name),
                (Err(reject), Err(code)) => prop_assert_eq!(reject.code, code),
                (Err(reject), Ok(name)) => {
                    prop_assert_eq!(reject.code, Code::DuplicateKey);
                    let later = rows.iter().enumerate().any(|(other, row)| {
                        own(row).as_ref() == Ok(&name) && (row.0, other) > (rows[at].0, at)
                    });
                    prop_assert!(later);
                }
                (Ok(_), Err(code)) => prop_assert!(false, "{code:?} at {at}"),
            }
        }
        let left = outcomes.iter().filter_map(|outcome| outcome.mapped.as_ref().ok());
        let keys: Vec<&str> = left.map(|row| row.key.text.as_str()).collect();
        let distinct: BTreeSet<String> = rows.iter().filter_map(|row| own(row).ok()).collect();
        prop_assert_eq!(keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>(), distinct);
        prop_assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len());
    }
}
