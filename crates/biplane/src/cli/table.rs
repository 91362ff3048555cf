//! Aligned columns.

/// Rows of cells, each column as wide as its widest cell, two spaces between; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned_and_no_line_ends_in_a_space() {
        let rows = [
            vec!["NAME".to_owned(), "X".to_owned()],
            vec!["ä".to_owned(), String::new()],
            vec!["longer".to_owned(), "y".to_owned()],
        ];
        assert_eq!(super::table(&rows), "NAME    X\nä\nlonger  y\n");
    }
}
