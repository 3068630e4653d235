//! What is on the disk, damaged: `which (1)`, then key (9) and value of a lease, a session or a voucher, an accounting record, a spool
//! of them, or a file of accounts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poblano_fuzz::Input;
use store::fuzz::{
    read_accounts, read_allowance, read_lease, read_record, read_session, read_spool, written_allowance, written_lease,
    written_record, written_session,
};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let which = input.u8() % 6;
    if which == 0 {
        let (key, value) = (input.bytes(9), input.rest());
        let Some(record) = read_lease(key, value) else { return };
        let (key, value) = written_lease(&record);
        let again = read_lease(&key, &value).expect("what we write can be read");
        assert_eq!(
            (again.key, again.address, again.expires_unix_secs),
            (record.key, record.address, record.expires_unix_secs)
        );
    } else if which == 1 {
        let (key, value) = (input.bytes(9), input.rest());
        let Some(record) = read_session(key, value) else { return };
        // Of an earlier version it is written in ours.
        let (key, value) = written_session(&record);
        assert_eq!(read_session(&key, &value), Some(record), "what we write can be read");
    } else if which == 5 {
        let (key, value) = (input.bytes(9), input.rest());
        let Some(record) = read_allowance(key, value) else { return };
        let (key, value) = written_allowance(&record);
        assert_eq!(read_allowance(&key, &value), Some(record), "what we write can be read");
    } else if which == 3 {
        let Some(record) = read_record(input.rest()) else { return };
        assert_eq!(read_record(&written_record(&record)), Some(record), "what we write can be read");
    } else if which == 4 {
        let octets = input.rest();
        let (records, damaged) = read_spool(octets);
        assert!(records.iter().map(Vec::len).sum::<usize>() as u64 + damaged <= octets.len() as u64);
    } else {
        let text = String::from_utf8_lossy(input.rest());
        let lines = text.lines().count();
        match read_accounts(&text) {
            Ok(read) => assert_eq!(read, lines),
            Err((line, message)) => assert!((1..=lines).contains(&line) && !message.is_empty()),
        }
    }
});
