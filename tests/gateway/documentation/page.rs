//! The Markdown pages of the repository: their code blocks, headings and links.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// One Markdown file.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its path in the repository.
    pub path: String,
    text: String,
}

/// A fenced code block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page that shows it.
    pub page: String,
    /// The nearest heading above it.
    pub heading: String,
    /// What the fence names; empty where it names nothing.
    pub language: String,
    /// Its lines, without the indentation of the fence.
    pub text: String,
}

/// Every Markdown file of the repository.
pub fn pages() -> Vec<Page> {
    let mut found = Vec::new();
    collect(Path::new(ROOT), &mut found);
    found.sort();
    let page = |path: PathBuf| Page {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(ROOT).unwrap().to_str().unwrap().to_owned(),
    };
    found.into_iter().map(page).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_generated = name.starts_with('.') || ["target", "node_modules", "weir-data"].contains(&&*name);
        if entry.file_type().unwrap().is_dir() && !is_generated {
            collect(&entry.path(), found);
        } else if name.ends_with(".md") {
            found.push(entry.path());
        }
    }
}

/// Every code block of every page.
pub fn blocks() -> Vec<Block> {
    pages().iter().flat_map(Page::blocks).collect()
}

impl Page {
    /// Its code blocks, in order.
    fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut heading) = (Vec::new(), String::new());
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let indentation = line.len() - line.trim_start().len();
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| line.trim() != "```");
                let inside: Vec<&str> = inside.map(|line| line.get(indentation..).unwrap_or("")).collect();
                blocks.push(Block {
                    page: self.path.clone(),
                    heading: heading.clone(),
                    language: language.trim().to_owned(),
                    text: inside.join("\n"),
                });
            } else if let Some(text) = heading_of(line) {
                text.clone_into(&mut heading);
            }
        }
        blocks
    }

    /// Its lines outside code blocks.
    fn prose(&self) -> impl Iterator<Item = &str> {
        let mut is_code = false;
        self.text.lines().filter(move |line| {
            let is_fence = line.trim_start().starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        })
    }

    /// The anchors of its headings, as GitHub makes them.
    pub fn anchors(&self) -> Vec<String> {
        let mut anchors: Vec<String> = Vec::new();
        for heading in self.prose().filter_map(heading_of) {
            let kept = heading.to_lowercase().replace(' ', "-");
            let anchor: String = kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
            let before = anchors.iter().filter(|other| **other == anchor).count();
            anchors.push(if before == 0 { anchor } else { format!("{anchor}-{before}") });
        }
        anchors
    }

    /// The targets of its links that point into the repository.
    pub fn links(&self) -> Vec<String> {
        let prose = self.prose().collect::<Vec<_>>().join("\n");
        // What stands between backticks is no link.
        let text: String = prose.split('`').step_by(2).collect();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
    }
}

fn heading_of(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    (text.len() < line.len()).then(|| text.strip_prefix(' ')).flatten()
}
