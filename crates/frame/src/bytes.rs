//! Big-endian fields and the Internet checksum: arithmetic only, no layout of any protocol.

/// The 16-bit field at `at`, which the caller has checked to lie inside.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit field at `at`, which the caller has checked to lie inside.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Writes a 16-bit field at `at`, which the caller has checked to lie inside.
pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    let [high, low] = value.to_be_bytes();
    bytes[at] = high;
    bytes[at + 1] = low;
}

/// Adds `bytes` as 16-bit words to a running sum (RFC 1071); an odd last byte is padded with 0.
/// Carries are folded, so that sums of any number of parts fit.
pub(crate) fn add(sum: u32, bytes: &[u8]) -> u32 {
    let mut total = u64::from(sum);
    // two words at once: 65,536 counts as 1 where carries are added in
    let (pairs, rest) = bytes.as_chunks::<4>();
    for pair in pairs {
        total += u64::from(u32::from_be_bytes(*pair));
    }
    let (words, rest) = rest.as_chunks::<2>();
    for word in words {
        total += u64::from(u16::from_be_bytes(*word));
    }
    if let [last] = rest {
        total += u64::from(*last) << 8;
    }
    u32::from(fold_u64(total))
}

/// The sum in 16 bits, carries added in; its complement is the checksum.
pub(crate) fn fold(sum: u32) -> u16 {
    fold_u64(u64::from(sum))
}

fn fold_u64(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::try_from(sum).expect("a folded sum has 16 bits")
}

#[cfg(test)]
mod tests {
    use super::{add, fold, fold_u64};

    /// The example of RFC 1071, section 3.
    #[test]
    fn sums_as_rfc_1071_does() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(fold(add(0, &bytes)), 0xddf2);
        assert_eq!(fold(add(add(0, &bytes[..4]), &bytes[4..])), 0xddf2);
    }

    #[test]
    fn pads_an_odd_byte_and_folds_every_carry() {
        assert_eq!(fold(add(0, &[0x12])), 0x1200);
        assert_eq!(fold(add(0, &[0xff; 65_535])), 0xff00);
        assert_eq!(fold(add(0xffff, &[0xff, 0xff])), 0xffff);
        assert_eq!([0x1_0000_ffff, 0x1_ffff_ffff, u64::MAX].map(fold_u64), [1, 1, 0xffff]);
    }
}
