use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};
use handfast_wire::{Payload, SeqNumber};

/// Writes shorter than this are gathered by copying; longer ones are kept by reference.
const GATHER_BELOW: usize = 512;
/// What is allocated at once for gathering.
const GATHER_CHUNK: usize = 4096;

/// The send queue: every octet from SND.UNA to the last the application has queued, by
/// reference, addressed by sequence number.
#[derive(Debug)]
pub(crate) struct SendBuffer {
    pieces: VecDeque<Piece>,
    /// Small writes that follow the last piece, not yet sealed into one.
    gather: BytesMut,
    start: SeqNumber,
    end: SeqNumber,
    /// Index of the piece that holds the octet after the last one handed out: new data is sent
    /// in order, so that the next search nearly always ends here.
    cursor: usize,
}

#[derive(Debug)]
struct Piece {
    start: SeqNumber,
    bytes: Bytes,
}

impl SendBuffer {
    pub(crate) fn new(start: SeqNumber) -> SendBuffer {
        SendBuffer {
            pieces: VecDeque::new(),
            gather: BytesMut::new(),
            start,
            end: start,
            cursor: 0,
        }
    }

    /// Octets held.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.end.offset_from(self.start)
    }

    /// Sequence number after the last octet.
    #[inline]
    pub(crate) fn end(&self) -> SeqNumber {
        self.end
    }

    /// Takes octets from the front of `data`, as many as `room`. Small writes become one (MAY-16).
    pub(crate) fn push(&mut self, data: &mut Bytes, room: u32) -> usize {
        let take = data.len().min(room as usize);
        if take == 0 {
            return 0;
        }
        let bytes = data.split_to(take);
        if take < GATHER_BELOW {
            self.gather.reserve(take.max(if self.gather.is_empty() {
                GATHER_CHUNK
            } else {
                0
            }));
            self.gather.extend_from_slice(&bytes);
            self.end += take as u32;
            if self.gather.len() >= GATHER_CHUNK {
                self.seal();
            }
        } else {
            self.seal();
            self.pieces.push_back(Piece {
                start: self.end,
                bytes,
            });
            self.end += take as u32;
        }
        take
    }

    /// Makes the gathered small writes a piece that can be handed out.
    fn seal(&mut self) {
        if !self.gather.is_empty() {
            let bytes = self.gather.split().freeze();
            let start = self.end - bytes.len() as u32;
            self.pieces.push_back(Piece { start, bytes });
        }
    }

    /// Appends the octets `from..from + len` to `out` by reference, cut to what is held.
    pub(crate) fn slice(&mut self, from: SeqNumber, len: u32, out: &mut Payload) {
        if from.before(self.start) || len == 0 {
            return;
        }
        let end = (from + len).earlier(self.end);
        if end.after(self.end - self.gather.len() as u32) {
            self.seal();
        }
        let mut at = from;
        let mut i = self.find(from);
        if let Some(piece) = self.pieces.get(i) {
            // As nearly always, it ends before the piece does.
            let skip = at.offset_from(piece.start) as usize;
            let past = skip + end.offset_from(at) as usize;
            if past < piece.bytes.len() {
                out.push(piece.bytes.slice(skip..past));
                self.cursor = i;
                return;
            }
        }
        while at.before(end) {
            let Some(piece) = self.pieces.get(i) else {
                return;
            };
            let skip = at.offset_from(piece.start) as usize;
            let want = end.offset_from(at) as usize;
            let have = piece.bytes.len() - skip;
            let take = want.min(have);
            out.push(piece.bytes.slice(skip..skip + take));
            at += take as u32;
            if take == have {
                i += 1;
            }
        }
        self.cursor = i;
    }

    /// Index of the piece that holds `at`.
    fn find(&self, at: SeqNumber) -> usize {
        if let Some(piece) = self.pieces.get(self.cursor)
            && at.within(piece.start, piece.bytes.len() as u32)
        {
            return self.cursor;
        }
        let offset = at.offset_from(self.start);
        self.pieces
            .partition_point(|p| p.start.offset_from(self.start) <= offset)
            .saturating_sub(1)
    }

    /// Everything before `una` is acknowledged and forgotten.
    pub(crate) fn acknowledge(&mut self, una: SeqNumber) {
        if !una.after(self.start) {
            return;
        }
        let una = una.earlier(self.end);
        if una.after(self.end - self.gather.len() as u32) {
            self.seal();
        }
        self.start = una;
        while let Some(first) = self.pieces.front_mut() {
            let gone = una.distance(first.start);
            if gone <= 0 {
                break;
            }
            if (gone as usize) < first.bytes.len() {
                first.bytes = first.bytes.slice(gone as usize..);
                first.start = una;
                break;
            }
            self.pieces.pop_front();
            self.cursor = self.cursor.saturating_sub(1);
        }
    }
}
