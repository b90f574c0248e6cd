//! A text as a run of words.

use unicode_normalization::UnicodeNormalization as _;

/// The words of a text, in lower case and compatibility form: runs of letters and digits. What nobody can see (zero-width and
/// bidirectional marks, soft hyphens) separates nothing and is left out. Letters that only look alike stay what they are.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.nfkc().flat_map(char::to_lowercase).filter(|it| !is_invisible(*it)) {
        if character.is_alphanumeric() {
            word.push(character);
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether a character takes no room and says nothing.
pub(super) const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_a_word_are_one_and_look_alikes_another() {
        let same = [
            "Acme Corp",
            "ACME  corp",
            "ａｃｍｅ corp",
            "a\u{200b}cme c\u{ad}orp",
            "acme-corp",
            "\u{202e}acme corp",
        ];
        for text in same {
            assert_eq!(words(text), ["acme", "corp"], "{text}");
        }
        // A Cyrillic letter.
        assert_ne!(words("аcme corp"), words("acme corp"));
    }

    proptest! {
        #[test]
        fn words_of_words_are_the_words(text in "\\PC{0,60}") {
            let once = words(&text);
            prop_assert_eq!(words(&once.join(" ")), once);
        }
    }
}
