/// A set of integers as sorted, disjoint, non-touching half-open ranges.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Adds `start..end`; returns how many of its members were new.
    pub(crate) fn insert(&mut self, start: i64, end: i64) -> i64 {
        if start >= end {
            return 0;
        }
        let first = self.0.partition_point(|r| r.1 < start);
        let last = first + self.0[first..].partition_point(|r| r.0 <= end);
        let mut known = 0;
        let mut merged = (start, end);
        for r in &self.0[first..last] {
            known += (r.1.min(end) - r.0.max(start)).max(0);
            merged = (merged.0.min(r.0), merged.1.max(r.1));
        }
        self.0.splice(first..last, [merged]);
        end - start - known
    }

    /// The first number from `start` on that is missing.
    pub(crate) fn end_from(&self, start: i64) -> i64 {
        let i = self.0.partition_point(|r| r.1 < start);
        match self.0.get(i) {
            Some(&(from, to)) if from <= start => to,
            _ => start,
        }
    }

    /// How many members there are.
    pub(crate) fn len(&self) -> i64 {
        self.0.iter().map(|r| r.1 - r.0).sum()
    }
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
