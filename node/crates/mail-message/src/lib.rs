//! Reading mail: the structure of a message (RFC 5322, RFC 2045 to 2047, RFC 2231), its stored record, what IMAP shows
//! of it (RFC 3501 7.4.2, 6.4.5), and text search over it.
//!
//! Invariants
//! - Every sequence of bytes is a message and has a structure; nothing here fails on, or panics at, a content.
//! - A message streams through: no memory grows with it beyond the bounds of [`limits`].
//! - How a message is cut into chunks never shows in a result.
//!
//! It knows nothing of mailboxes, sessions, stores or the grammar of IMAP commands.

mod address_list;
mod base_subject;
mod budget;
mod charset;
mod date;
mod encoded_word;
mod field_scan;
mod header_draft;
mod header_filter;
mod header_text;
mod imap_form;
pub mod limits;
mod message_id;
mod params;
mod part;
mod reader;
mod record;
mod search;
mod section;
mod text_match;
mod transfer;

pub use charset::{CharsetReader, decode_charset};
pub use date::{SentDate, day_number};
pub use encoded_word::{decode_text, unfold};
pub use header_filter::HeaderFilter;
pub use header_text::{Field, FieldReader};
pub use imap_form::{append_body, append_body_structure, append_envelope, append_nstring, append_string};
pub use params::{Param, param_value};
pub use part::{Disposition, Envelope, EnvelopeAddress, MimeFields, Part, PartKind, RawText, Structure, ThreadKeys};
pub use reader::StructureReader;
pub use record::{PARSER_VERSION, RecordError, StructureRow};
pub use search::{SearchScope, TextSearch};
pub use section::{Section, SectionBytes, SectionText};
pub use text_match::{TextMatch, fold};
pub use transfer::{TransferEncoding, TransferReader};
