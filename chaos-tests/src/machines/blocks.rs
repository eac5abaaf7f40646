//! The commands of a guide, as its reader copies them: the fenced blocks of a page in Markdown, each with where it runs.
//!
//! A block starts with "```sh on n1 n2" and may end that line with ", not in the test: REASON". Blocks of other languages
//! are not commands.
//!
//! Invariant: no block of `sh` is passed over. One that does not say where it runs, or is left out with a command that
//! was not named to the reader of the page, is a failure.

/// Commands that run on some places, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Line of the page, from 1, on which it starts.
    pub line: usize,
    /// Names of machines, or `outside`.
    pub places: Vec<String>,
    /// Why it is not run.
    pub left_out: Option<String>,
    /// The commands.
    pub text: String,
}

/// The blocks of a page, in its order.
///
/// # Errors
/// What is wrong with the page, with the line.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        let Some(info) = info.strip_prefix("sh") else { continue };
        let wrong = |what: &str| format!("line {}: {what}", at + 1);
        let info = info
            .strip_prefix(" on ")
            .ok_or_else(|| wrong("it does not say where it runs"))?;
        let (places, left_out) = match info.split_once(", not in the test: ") {
            Some((places, reason)) => (places, Some(reason.to_owned())),
            None => (info, None),
        };
        blocks.push(Block {
            line: at + 1,
            places: places.split_whitespace().map(str::to_owned).collect(),
            left_out,
            text: body.join("\n") + "\n",
        });
    }
    Ok(blocks)
}

impl Block {
    /// Its commands that are none of `allowed`, by their first word; for blocks that are left out.
    #[must_use]
    pub fn beyond(&self, allowed: &[&str]) -> Vec<String> {
        let words = self.text.lines().filter_map(|line| line.split_whitespace().next());
        words
            .filter(|word| !allowed.contains(word))
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_says_where_it_runs_and_why_it_is_left_out() {
        let page = "# A\n\n```sh on n1 n2\nls\necho a\n```\ntext\n```toml\nx = 1\n```\n\
                    ```sh on n1, not in the test: no network\napt-get update\n```\n";
        let found = blocks(page).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, found[0].text.as_str()), (3, "ls\necho a\n"));
        assert_eq!(found[0].places, ["n1", "n2"]);
        assert_eq!(found[1].left_out.as_deref(), Some("no network"));
        assert!(found[1].beyond(&["apt-get"]).is_empty());
        assert_eq!(found[0].beyond(&["ls"]), ["echo"]);
    }

    #[test]
    fn a_block_of_commands_that_says_nothing_is_an_error() {
        assert_eq!(
            blocks("```sh\nls\n```\n").unwrap_err(),
            "line 1: it does not say where it runs"
        );
        assert!(blocks("```sh n1\nls\n```\n").is_err());
    }
}
