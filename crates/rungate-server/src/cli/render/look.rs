//! How wide and how colourful.

use std::io::IsTerminal as _;

/// What a person may choose about how things look.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct LookArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
    /// Colours.
    #[command(flatten)]
    pub colours: ColourArgs,
}

/// Whether a person wants colours.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct ColourArgs {
    /// No colours, on a terminal either
    #[arg(long, env = "NO_COLOR", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "1", value_name = "ANY")]
    no_color: Option<String>,
}

/// What the output is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns. Without a terminal there is no limit, so that `grep` and `awk` see whole values.
    pub width: usize,
    /// Whether to colour.
    pub colour: bool,
}

impl Look {
    /// For text that goes to a file or another program.
    pub const PLAIN: Self = Self { width: usize::MAX, colour: false };

    /// For standard output as it is.
    pub fn of_stdout(args: &ColourArgs) -> Self {
        let refused = args.no_color.as_ref().is_some_and(|value| !value.is_empty());
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::PLAIN;
        }
        let size = rustix::termios::tcgetwinsize(&stdout).ok();
        let width = size.map_or(80, |size| usize::from(size.ws_col));
        Self { width: if width == 0 { 80 } else { width }, colour: !refused }
    }

    /// `text` in a colour, where colours are wanted.
    pub fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Bold => "1",
            Paint::Faint => "2",
            Paint::Good => "32",
            Paint::Odd => "33",
            Paint::Bad => "31",
        };
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What a colour means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paint {
    /// Nothing.
    #[default]
    Plain,
    /// A heading.
    Bold,
    /// Less important.
    Faint,
    /// It went well.
    Good,
    /// Worth a look.
    Odd,
    /// It went wrong.
    Bad,
}
