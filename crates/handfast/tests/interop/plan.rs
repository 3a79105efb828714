//! Which cells there are: every value of every factor with every value of every other, every
//! single deviation from the usual, and more by chance.

use handfast::base::Rng;
use std::fmt;

/// A factor and its values; the first is the usual one.
type Factor = (&'static str, &'static [&'static str]);

/// One value of the factor of this name.
pub(crate) type Value = (&'static str, &'static str);

pub(crate) const FACTORS: [Factor; 17] = [
    ("opens", &["we", "kernel"]),
    ("closes first", &["we", "kernel"]),
    ("IP", &["4", "6"]),
    ("MTU", &["1500", "576", "1280", "9000", "65535"]),
    ("path", &["clean", "lossy"]),
    ("our timestamps", SWITCH),
    ("kernel's timestamps", SWITCH),
    ("our SACK", SWITCH),
    ("kernel's SACK", SWITCH),
    ("our scaling", SWITCH),
    ("kernel's scaling", SWITCH),
    ("our ECN", &["passive", "off", "classic", "accurate"]),
    // The values of tcp_ecn.
    ("kernel's ECN", &["2", "0", "1", "3", "4", "5"]),
    ("our Fast Open", &["off", "on"]),
    ("kernel's Fast Open", &["off", "on"]),
    ("our congestion control", &["cubic", "reno", "cubic-paced"]),
    ("kernel's congestion control", &["cubic", "reno", "bbr"]),
];

const SWITCH: &[&str] = &["on", "off"];

/// One connection: which value each factor has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell([u8; FACTORS.len()]);

impl Cell {
    /// The value of the factor of this name.
    pub(crate) fn get(&self, name: &str) -> &'static str {
        let at = FACTORS.iter().position(|(factor, _)| *factor == name);
        let at = at.unwrap_or_else(|| panic!("no factor {name}"));
        FACTORS[at].1[usize::from(self.0[at])]
    }

    pub(crate) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == value
    }

    /// Both ends are willing: `of` with "our" and with "kernel's" before it.
    pub(crate) fn both(&self, of: &str) -> bool {
        ["our", "kernel's"]
            .iter()
            .all(|whose| self.is(&format!("{whose} {of}"), "on"))
    }

    /// Not what the kernel refuses; and IPv6 needs an MTU of 1280 (RFC 8200, 5).
    fn is_possible(&self, refused: &[Value]) -> bool {
        let too_small = self.is("IP", "6") && self.is("MTU", "576");
        !too_small && !refused.iter().any(|(name, value)| self.is(name, value))
    }

    fn random(rng: &mut Rng) -> Cell {
        Cell(FACTORS.map(|(_, values)| rng.below(values.len() as u64) as u8))
    }
}

impl fmt::Debug for Cell {
    /// What differs from the usual.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = FACTORS.iter().zip(self.0).filter(|(_, value)| *value > 0);
        let named =
            named.map(|((name, values), value)| format!("{name} {}", values[usize::from(value)]));
        let named: Vec<String> = named.collect();
        f.write_str(if named.is_empty() { "the usual" } else { "" })?;
        f.write_str(&named.join(", "))
    }
}

/// Values of two factors: the places of the factors, and of the values.
type Pair = [(usize, u8); 2];

fn pairs_of(cell: &Cell) -> impl Iterator<Item = Pair> + '_ {
    let places = 0..FACTORS.len();
    places.flat_map(move |a| (a + 1..FACTORS.len()).map(move |b| [(a, cell.0[a]), (b, cell.0[b])]))
}

/// All pairs of values that can be.
pub(crate) fn all_pairs(refused: &[Value]) -> Vec<Pair> {
    let values = |of: usize| (0..FACTORS[of].1.len() as u8).map(move |value| (of, value));
    let places = 0..FACTORS.len();
    let factors = places.flat_map(|a| (a + 1..FACTORS.len()).map(move |b| (a, b)));
    let pairs =
        factors.flat_map(|(a, b)| values(a).flat_map(move |x| values(b).map(move |y| [x, y])));
    let can_be = |pair: &Pair| {
        let mut cell = Cell([0; FACTORS.len()]);
        pair.iter().for_each(|(of, value)| cell.0[*of] = *value);
        cell.is_possible(refused)
    };
    pairs.filter(can_be).collect()
}

/// Of the pairs those that no cell has.
pub(crate) fn uncovered(mut pairs: Vec<Pair>, cells: &[Cell]) -> Vec<Pair> {
    pairs.retain(|[(a, x), (b, y)]| !cells.iter().any(|c| c.0[*a] == *x && c.0[*b] == *y));
    pairs
}

/// The usual, all that differs from it in one factor, then as many as it takes until every pair
/// of values has met, and so many more by chance. All that the kernel has not `refused`.
pub(crate) fn cells(refused: &[Value], seed: u64, more: usize) -> Vec<Cell> {
    let mut cells = vec![Cell([0; FACTORS.len()])];
    for (at, (_, values)) in FACTORS.iter().enumerate() {
        for value in 1..values.len() as u8 {
            cells.push(cells[0]);
            cells.last_mut().expect("pushed").0[at] = value;
        }
    }
    cells.retain(|cell| cell.is_possible(refused));
    let rng = &mut Rng::new(seed);
    let mut left = uncovered(all_pairs(refused), &cells);
    while let Some(&[(a, x), (b, y)]) = left.first() {
        // Of some that have this pair the one that has most of the others.
        let candidates = (0..200).filter_map(|_| {
            let mut cell = Cell::random(rng);
            (cell.0[a], cell.0[b]) = (x, y);
            cell.is_possible(refused).then_some(cell)
        });
        let wins = |cell: &Cell| pairs_of(cell).filter(|pair| left.contains(pair)).count();
        let Some(best) = candidates.max_by_key(wins) else {
            continue;
        };
        cells.push(best);
        left.retain(|pair| !pairs_of(&best).any(|p| p == *pair));
    }
    let random = std::iter::repeat_with(|| Cell::random(rng));
    cells.extend(random.filter(|cell| cell.is_possible(refused)).take(more));
    cells
}
