//! Imports go one way: a module uses those below it, never those above, and no two use each other. The layers stand in
//! [`LAYERS`], where `tests/survey` reads them, too.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a helper that fails fails its test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules, from the ground up: each may use those before it.
const LAYERS: [&[&str]; 19] = [
    &["system"],
    &["event"],
    &["admission"],
    &["record"],
    &["tenants"],
    &["config"],
    &["observe"],
    &["mapping"],
    &["queue"],
    &["store"],
    &["loader"],
    &["gainsight"],
    &["pipeline"],
    &["intake"],
    &["connect"],
    &["http"],
    &["operate"],
    &["setup"],
    &["cli"],
];

/// What each module uses.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules named behind `crate::` in `source`. A comment or a test may name any.
fn imports(source: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for path in product(source).split("crate::").skip(1) {
        match path.strip_prefix('{') {
            None => used.extend([name(path)]),
            Some(list) => {
                // The first name of each path in the braces, at whatever depth those within it go.
                let (mut depth, mut begins) = (0, true);
                for (at, byte) in list.bytes().enumerate() {
                    match byte {
                        b'{' => depth += 1,
                        b'}' if depth == 0 => break,
                        b'}' => depth -= 1,
                        b',' if depth == 0 => begins = true,
                        _ if begins && byte.is_ascii_alphabetic() => {
                            used.extend([name(&list[at..])]);
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    used
}

/// `source` without comments, and without items for tests alone. It relies on rustfmt's indentation.
fn product(source: &str) -> String {
    let mut lines = source.lines();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        let code = line.split("//").next().unwrap_or_default();
        let indent = |line: &str| line.len() - line.trim_start().len();
        if code.trim() == "#[cfg(test)]" {
            // An item ends with a line that is indented as its attribute is.
            lines.find(|end| indent(end) == indent(line) && end.ends_with([';', '}', ',']));
        } else {
            kept = kept + code + "\n";
        }
    }
    kept
}

/// The identifier that `text` begins with.
fn name(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// The modules that `source` declares in files of their own, outside tests.
fn declared(source: &str) -> Vec<String> {
    let lines = product(source);
    let declarations = lines.lines().filter_map(|line| line.trim_end().strip_suffix(';'));
    declarations
        .filter_map(|line| line.split_once("mod ").filter(|(before, _)| !before.contains('"')))
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// What the module in `file` uses, and those below it.
fn imports_of(file: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(file).unwrap();
    let folder = match file.file_stem().unwrap().to_str().unwrap() {
        "mod" => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    let below = declared(&source).into_iter().flat_map(|name| imports_of(&found(&folder, &name)));
    imports(&source).into_iter().chain(below).collect()
}

/// The file of module `name` in `folder`.
fn found(folder: &Path, name: &str) -> PathBuf {
    let file = folder.join(format!("{name}.rs"));
    if file.exists() { file } else { folder.join(name).join("mod.rs") }
}

/// What is wrong with `used`: a module that has no layer, an import of a higher layer, modules in a circle.
fn faults(layers: &[&[&str]], used: &Imports) -> Vec<String> {
    let layer = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let mut faults = Vec::new();
    for (module, uses) in used {
        let Some(own) = layer(module) else {
            faults.push(format!("{module} has no layer"));
            continue;
        };
        let above = uses.iter().filter(|other| layer(other).is_some_and(|other| other > own));
        faults.extend(above.map(|other| format!("{module} uses {other}, which is above it")));
    }
    // Whoever uses none that is left, or is used by none, is in no circle.
    let mut left = used.clone();
    for (module, uses) in &mut left {
        uses.remove(module);
        uses.retain(|other| used.contains_key(other));
    }
    while let Some(outside) = left
        .keys()
        .find(|module| left[*module].is_empty() || !left.values().any(|uses| uses.contains(*module)))
        .cloned()
    {
        left.remove(&outside);
        left.values_mut().for_each(|uses| _ = uses.remove(&outside));
    }
    if !left.is_empty() {
        faults.push(format!("in a circle: {}", left.into_keys().collect::<Vec<_>>().join(", ")));
    }
    faults
}

#[test]
fn every_import_goes_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules = declared(&fs::read_to_string(src.join("lib.rs")).unwrap());
    let used: Imports =
        modules.into_iter().map(|name| (name.clone(), imports_of(&found(&src, &name)))).collect();
    assert!(used.values().any(|uses| !uses.is_empty()), "no import was found");
    assert_eq!(faults(&LAYERS, &used), Vec::<String>::new());
}

fn used(sources: &[(&str, &str)]) -> Imports {
    sources.iter().map(|(module, source)| ((*module).to_owned(), imports(source))).collect()
}

#[test]
fn imports_are_found_in_lists_and_in_code_but_not_in_comments_and_tests() {
    let source = "
//! See [`crate::doc`].
use crate::alone;
use crate::{first::{self, Deep, crate_like}, second, third::*};
#[cfg(test)]
mod tests {
    use crate::tested;
}
#[cfg(test)]
pub mod simulated;
fn code() { crate::called::now(crate::Root) } // crate::aside
";
    let expected = ["Root", "alone", "called", "first", "second", "third"];
    assert_eq!(imports(source), expected.map(str::to_owned).into());
    assert_eq!(declared("pub mod a;\nmod b;\n#[cfg(test)]\nmod c;\npub(crate) mod d;"), ["a", "b", "d"]);
}

#[test]
fn an_import_of_a_higher_layer_is_a_fault_and_one_of_a_lower_or_the_same_is_none() {
    let layers: [&[&str]; 2] = [&["ground", "beside"], &["roof"]];
    let fine = [("ground", "use crate::beside;"), ("beside", ""), ("roof", "use crate::{beside, ground};")];
    assert_eq!(faults(&layers, &used(&fine)), Vec::<String>::new());
    let upward = [("ground", "fn f() { crate::roof::g() }"), ("beside", ""), ("roof", "")];
    assert_eq!(faults(&layers, &used(&upward)), ["ground uses roof, which is above it"]);
}

#[test]
fn a_module_without_a_layer_is_a_fault() {
    assert_eq!(faults(&[&["ground"]], &used(&[("ground", ""), ("wing", "")])), ["wing has no layer"]);
}

#[test]
fn modules_of_one_layer_that_use_each_other_are_a_fault() {
    let layers: [&[&str]; 1] = [&["a", "b", "c", "d", "e"]];
    let circle = [
        ("a", "use crate::b;"),
        ("b", "use crate::c;"),
        ("c", "use crate::{a, d};"),
        ("d", ""),
        ("e", "use crate::a;"),
    ];
    assert_eq!(faults(&layers, &used(&circle)), ["in a circle: a, b, c"]);
}
