//! Case-insensitive substring search over text that streams by.
//!
//! Invariants: an occurrence is found however the text is cut; state is one number besides the key; each byte of text
//! costs constant time on average (Knuth, Morris, Pratt). Letters compare by [`fold`]; nothing is normalized.

/// `text` with differences of case taken away: upper case, then lower case, of each character, so that also forms of
/// one letter that differ in lower case alone (final sigma) become equal.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    fold_into(text, &mut out);
    out
}

fn fold_into(text: &str, out: &mut String) {
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter.to_ascii_lowercase());
        } else {
            out.extend(letter.to_uppercase().flat_map(char::to_lowercase));
        }
    }
}

/// Looks for one key.
#[derive(Clone, Debug)]
pub struct TextMatch {
    key: Vec<u8>,
    /// For each prefix of the key, how long its longest proper prefix is that is its suffix too.
    borders: Vec<usize>,
    /// Bytes of the key that the text so far ends with.
    matched: usize,
    found: bool,
    folded: String,
}

impl TextMatch {
    /// A search for `key`. An empty one is in every text, so is found at once.
    #[must_use]
    pub fn new(key: &str) -> Self {
        let key = fold(key).into_bytes();
        let borders = borders(&key);
        let found = key.is_empty();
        Self {
            key,
            borders,
            matched: 0,
            found,
            folded: String::new(),
        }
    }

    /// Takes the next piece of the text; answers whether the key was found so far.
    pub fn push(&mut self, text: &str) -> bool {
        if self.found {
            return true;
        }
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        fold_into(text, &mut folded);
        for byte in folded.bytes() {
            while self.matched > 0 && self.key.get(self.matched) != Some(&byte) {
                self.matched = self.borders.get(self.matched - 1).copied().unwrap_or(0);
            }
            if self.key.get(self.matched) == Some(&byte) {
                self.matched += 1;
            }
            if self.matched == self.key.len() {
                self.found = true;
                break;
            }
        }
        self.folded = folded;
        self.found
    }

    /// What follows is another text: no occurrence reaches over this place.
    pub fn restart(&mut self) {
        self.matched = 0;
    }

    /// Whether the key was found.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.found
    }
}

fn borders(key: &[u8]) -> Vec<usize> {
    let mut borders = Vec::with_capacity(key.len());
    let mut border = 0;
    for (at, byte) in key.iter().enumerate() {
        if at > 0 {
            while border > 0 && key.get(border) != Some(byte) {
                border = borders.get(border - 1).copied().unwrap_or(0);
            }
            border += usize::from(key.get(border) == Some(byte));
        }
        borders.push(border);
    }
    borders
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_does_not_count() {
        for (key, text) in [
            ("grün", "GRÜN"),
            ("ΟΔΟΣ", "οδος"),
            ("οδός", "ΟΔΌΣ"),
            ("STRASSE", "straße"),
            ("", "anything"),
            ("ПРИВЕТ", "привет"),
        ] {
            assert!(TextMatch::new(key).push(&format!("x{text}y")), "{key} in {text}");
        }
        assert!(!TextMatch::new("a").push("b"));
    }

    #[test]
    fn nothing_is_found_over_a_restart() {
        let mut search = TextMatch::new("ab");
        search.push("a");
        search.restart();
        assert!(!search.push("b"));
        assert!(search.push("ab"));
    }

    proptest! {
        #[test]
        fn a_key_is_found_where_it_is_and_only_there(key in "[abA]{1,6}", text in "[abB]{0,40}", cut in 1_usize..8) {
            let mut search = TextMatch::new(&key);
            for piece in text.as_bytes().chunks(cut) {
                search.push(std::str::from_utf8(piece).expect("ASCII"));
            }
            prop_assert_eq!(search.is_found(), fold(&text).contains(&fold(&key)));
        }
    }
}
