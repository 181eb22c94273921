//! Which characters can be seen: what decides whether a text shows anything.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// `text` without characters that can't be seen, trimmed, as RudderStack sanitises ids.
pub fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_visible) {
        return trimmed(text);
    }
    trimmed(Cow::Owned(text.chars().filter(|character| is_visible(*character)).collect()))
}

/// `text`, whose only blanks are spaces, without those at its ends.
pub(super) fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// Whether `character` is a blank, a control or a format character, or drawn as nothing. Characters that fonts may
/// not know yet are not blank: two names that end in different new symbols are two names.
pub fn is_blank(character: char) -> bool {
    if character.is_ascii() {
        return !matches!(character, '!'..='~');
    }
    let is_unseen = || {
        matches!(character.general_category(), GeneralCategory::Control | GeneralCategory::Format)
            || is_drawn_as_nothing(character)
    };
    character.is_whitespace() || is_unseen()
}

/// Go's `unicode.IsPrint`, except for letters and marks that are drawn as nothing.
fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let printable = matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Mark
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    );
    printable && !is_drawn_as_nothing(character)
}

/// Letters, marks and symbols that no font draws.
fn is_drawn_as_nothing(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1d159}'
    )
}
