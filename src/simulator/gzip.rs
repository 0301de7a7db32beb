//! Just enough gzip to send packed bodies and bombs: stored blocks, and one block of repetitions. Knows no HTTP.

const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
const LARGEST_BLOCK: usize = 65_535;
const LONGEST_MATCH: usize = 258;

/// Packs without making smaller.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut packed = HEAD.to_vec();
    let mut blocks = bytes.chunks(LARGEST_BLOCK).peekable();
    while let Some(block) = blocks.next() {
        packed.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        packed.extend(length.to_le_bytes());
        packed.extend((!length).to_le_bytes());
        packed.extend(block);
    }
    if bytes.is_empty() {
        packed.extend([1, 0, 0, 0xff, 0xff]);
    }
    packed.extend(checksum(bytes).to_le_bytes());
    packed.extend((bytes.len() as u32).to_le_bytes());
    packed
}

/// About `unpacked` spaces in a 160th of their size. The checksum is wrong: who reads as far as that has read too much.
pub(super) fn bomb(unpacked: usize) -> Vec<u8> {
    let mut bits = Bits { bytes: HEAD.to_vec(), used: 8 };
    bits.push(0b011, 3); // last block, fixed codes
    bits.push_code(0x30 + u32::from(b' '), 8);
    for _ in 0..unpacked / LONGEST_MATCH {
        bits.push_code(0b1100_0101, 8); // length 258
        bits.push_code(0, 5); // distance 1
    }
    bits.push_code(0, 7); // end of block
    bits.bytes.extend([0; 8]);
    bits.bytes
}

struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// Lowest bit first, as deflate packs numbers.
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used == 8 {
                self.bytes.push(0);
                self.used = 0;
            }
            let bit = (value >> place & 1) as u8;
            *self.bytes.last_mut().expect("the head is there") |= bit << self.used;
            self.used += 1;
        }
    }

    /// Highest bit first, as deflate packs codes.
    fn push_code(&mut self, code: u32, count: u32) {
        self.push(code.reverse_bits() >> (32 - count), count);
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| TABLE[usize::from((crc as u8) ^ byte)] ^ (crc >> 8))
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let mut crc = place as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[place] = crc;
        place += 1;
    }
    table
}
