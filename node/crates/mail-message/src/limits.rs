//! Every bound of reading a message, in one place, with the relations between them proved. Beyond a bound nothing
//! fails: the rest of the message is text of the deepest part that is still legal, or a value is cut or left out.

/// Most bytes of a field name that can be told apart; a line with a longer name is no field that anybody asks for.
pub const FIELD_NAME_BYTES_MAX: usize = 128;

/// Most bytes of one unfolded field value; the rest is left out.
pub const FIELD_BYTES_MAX: usize = 64 << 10;

/// Most bytes of a boundary. RFC 2046 allows 70; a multipart with one beyond this bound is read as text.
pub const BOUNDARY_BYTES_MAX: usize = 256;

/// What has to be kept of a line to tell whether it is a delimiter: two hyphens, boundary, two hyphens.
pub(crate) const DELIMITER_BYTES_MAX: usize = BOUNDARY_BYTES_MAX + 4;

/// Most parts inside each other, the message itself counted. Bounds every recursion over a structure.
pub const NEST_MAX: usize = 50;

/// Most parts of a message, containers counted.
pub const PARTS_MAX: usize = 1_000;

/// Most parameters of one field.
pub const PARAMS_MAX: usize = 64;

/// Most languages of one part.
pub const LANGUAGES_MAX: usize = 16;

/// Bytes that the envelopes of one structure may take, [`VALUE_OVERHEAD`] included.
pub const ENVELOPE_TEXT_BYTES_MAX: usize = 128 << 10;

/// Bytes that the MIME fields of one structure may take, [`VALUE_OVERHEAD`] included.
pub const MIME_TEXT_BYTES_MAX: usize = 128 << 10;

/// What a value costs beyond its bytes, in memory and in a record.
pub const VALUE_OVERHEAD: usize = 32;

/// Most bytes of a message id that is kept for threads; a longer one is none.
pub const MESSAGE_ID_BYTES_MAX: usize = 998;

/// Most ids kept of References: the first, and the last ones.
pub const REFERENCES_MAX: usize = 32;

/// Most ids kept of In-Reply-To.
pub const IN_REPLY_TO_MAX: usize = 8;

/// Bytes of ids that one field of thread keys keeps.
pub const THREAD_FIELD_BYTES_MAX: usize = 16 << 10;

/// Most bytes of a base subject (RFC 5256 2.1), UTF-8.
pub const BASE_SUBJECT_BYTES_MAX: usize = 998;

/// Bytes of a part without its text: in memory, and what its numbers take in a record.
pub(crate) const PART_BYTES_MAX: usize = 512;

/// Most bytes that a reader holds at any time, whatever the message is.
pub const STATE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a stored record.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a text that is searched for; the session refuses longer ones.
pub const SEARCH_KEY_BYTES_MAX: usize = 4 << 10;

/// Bytes of text that are decoded at a time where a charset can only be read in whole lines.
pub(crate) const CHARSET_LINE_BYTES_MAX: usize = 8 << 10;

const THREAD_BYTES_MAX: usize =
    2 * THREAD_FIELD_BYTES_MAX + MESSAGE_ID_BYTES_MAX + (REFERENCES_MAX + IN_REPLY_TO_MAX + 1) * VALUE_OVERHEAD;
const RETAINED_BYTES_MAX: usize = PARTS_MAX * PART_BYTES_MAX
    + ENVELOPE_TEXT_BYTES_MAX
    + MIME_TEXT_BYTES_MAX
    + THREAD_BYTES_MAX
    + BASE_SUBJECT_BYTES_MAX;
// A value that is being parsed stands next to its field.
const WORKING_BYTES_MAX: usize = 3 * FIELD_BYTES_MAX + NEST_MAX * (BOUNDARY_BYTES_MAX + 64) + DELIMITER_BYTES_MAX;

const _: () = assert!(RETAINED_BYTES_MAX + WORKING_BYTES_MAX <= STATE_BYTES_MAX);
const _: () = assert!(RETAINED_BYTES_MAX <= RECORD_BYTES_MAX);
const _: () = assert!(size_of::<crate::Part>() <= PART_BYTES_MAX);
const _: () = assert!(BOUNDARY_BYTES_MAX >= 70);
const _: () = assert!(MESSAGE_ID_BYTES_MAX <= THREAD_FIELD_BYTES_MAX && MESSAGE_ID_BYTES_MAX <= FIELD_BYTES_MAX);
const _: () = assert!(PARTS_MAX < u32::MAX as usize && NEST_MAX < PARTS_MAX);
const _: () = assert!(REFERENCES_MAX >= 2);

mail_model::limits_table!("mail-message":
    FIELD_NAME_BYTES_MAX, FIELD_BYTES_MAX, BOUNDARY_BYTES_MAX, DELIMITER_BYTES_MAX, NEST_MAX, PARTS_MAX, PARAMS_MAX,
    LANGUAGES_MAX, ENVELOPE_TEXT_BYTES_MAX, MIME_TEXT_BYTES_MAX, VALUE_OVERHEAD, MESSAGE_ID_BYTES_MAX, REFERENCES_MAX,
    IN_REPLY_TO_MAX, THREAD_FIELD_BYTES_MAX, BASE_SUBJECT_BYTES_MAX, PART_BYTES_MAX, STATE_BYTES_MAX,
    RECORD_BYTES_MAX, SEARCH_KEY_BYTES_MAX, CHARSET_LINE_BYTES_MAX,
);
