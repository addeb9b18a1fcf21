//! Draws grouped horizontal bars as SVG.
//!
//! Bars are horizontal so that names and numbers stay readable, however many there are. It does not
//! know what the values mean.

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, Color as _, DrawingArea, IntoDrawingArea as _, IntoFont as _, PathElement, RGBColor,
    Rectangle, SVGBackend, Text, WHITE,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, TextStyle};

const WIDTH: i32 = 1000;
/// Where bars begin, and where the longest ends; its number follows.
const LEFT: i32 = 175;
const RIGHT: i32 = 860;
const TITLE: i32 = 30;
const UNIT: i32 = 56;
const LEGEND: i32 = 84;
const LEGEND_LINE: i32 = 22;
const BAR: i32 = 14;
const PITCH: i32 = 18;
const BETWEEN: i32 = 16;
const AXIS: i32 = 40;
/// The approximate width of a letter in the legend.
const LETTER: i32 = 8;

const FAINT: RGBColor = RGBColor(225, 225, 225);
const GREY: RGBColor = RGBColor(95, 95, 95);

#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) unit: String,
    /// The index of the series.
    pub(crate) names: Vec<String>,
    pub(crate) groups: Vec<Group>,
    pub(crate) digits: usize,
    pub(crate) log: bool,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) series: usize,
    pub(crate) value: f64,
    pub(crate) best: f64,
    pub(crate) ratio: Option<f64>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Maps values to positions.
#[derive(Debug, Clone, Copy)]
struct Scale {
    least: f64,
    most: f64,
    log: bool,
}

impl Scale {
    fn of(bars: &Bars) -> Self {
        let values = || {
            let all = bars.groups.iter().flat_map(|group| &group.bars);
            all.flat_map(|bar| [bar.value, bar.best])
        };
        let most = values().fold(0.0, f64::max);
        // The bar of the smallest value must be visible too.
        let least = values().filter(|&value| value > 0.0).fold(most, f64::min) / 2.0;
        Self {
            least: if bars.log { least } else { 0.0 },
            most,
            log: bars.log,
        }
    }

    fn place(self, value: f64) -> i32 {
        let share = if self.log {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            value / self.most
        };
        let share = if share.is_finite() { share } else { 0.0 };
        LEFT + (share.clamp(0.0, 1.0) * f64::from(RIGHT - LEFT)).round() as i32
    }

    /// Round values for the axis.
    fn ticks(self) -> Vec<f64> {
        let magnitude = 10_f64.powf(self.most.log10().floor());
        if !magnitude.is_normal() {
            return vec![0.0];
        }
        if self.log {
            // On an axis of more than two decades the values between powers of ten do not fit.
            let digits = match self.most / self.least > 200.0 {
                true => &[1.0][..],
                false => &[1.0, 2.0, 5.0],
            };
            return (-6..=0)
                .flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)))
                .map(|part| part * magnitude)
                .filter(|&tick| tick >= self.least && tick <= self.most)
                .collect();
        }
        let step = [0.1, 0.2, 0.5, 1.0, 2.0]
            .map(|part| part * magnitude)
            .into_iter()
            .find(|step| self.most / step <= 8.0)
            .unwrap_or(self.most);
        // A number that is whole except for rounding errors counts as whole.
        let count = (self.most / step + 1e-9) as u32;
        (0..=count).map(|n| f64::from(n) * step).collect()
    }
}

impl Bars {
    pub(crate) fn draw(&self, file: &Path) -> io::Result<()> {
        self.draw_on(file)
            .map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
    }

    fn draw_on(&self, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let legend = self.legend();
        let lines = legend
            .iter()
            .map(|(_, _, line)| line + 1)
            .max()
            .unwrap_or(0);
        let top = LEGEND + lines * LEGEND_LINE + 4;
        let heights = self.groups.iter().map(|group| height(group) + BETWEEN);
        let bottom = top + heights.sum::<i32>();
        let size = (u32::try_from(WIDTH)?, u32::try_from(bottom + AXIS)?);
        let area = SVGBackend::new(file, size).into_drawing_area();
        area.fill(&WHITE)?;

        let bold = style(22, FontStyle::Bold, &BLACK);
        area.draw(&Text::new(
            self.title.as_str(),
            (20, TITLE),
            bold.pos(LEFT_OF),
        ))?;
        let small = style(16, FontStyle::Normal, &GREY);
        area.draw(&Text::new(
            self.unit.as_str(),
            (20, UNIT),
            small.pos(LEFT_OF),
        ))?;
        for (series, x, line) in legend {
            let y = LEGEND + line * LEGEND_LINE;
            let name = self.names.get(series).map_or("", String::as_str);
            let square = [(x, y - 6), (x + 12, y + 6)];
            area.draw(&Rectangle::new(square, color(name, series).filled()))?;
            let text = style(16, FontStyle::Normal, &BLACK).pos(LEFT_OF);
            area.draw(&Text::new(name, (x + 18, y), text))?;
        }

        let scale = Scale::of(self);
        for tick in scale.ticks() {
            let x = scale.place(tick);
            area.draw(&PathElement::new([(x, top), (x, bottom)], FAINT))?;
            let text =
                style(15, FontStyle::Normal, &GREY).pos(Pos::new(HPos::Center, VPos::Center));
            area.draw(&Text::new(number(tick), (x, bottom + 14), text))?;
        }
        let mut y = top + BETWEEN / 2;
        for group in &self.groups {
            self.draw_group(&area, group, scale, y)?;
            y += height(group) + BETWEEN;
        }
        area.draw(&PathElement::new([(LEFT, top), (LEFT, bottom)], GREY))?;
        area.present()?;
        Ok(())
    }

    fn draw_group(
        &self,
        area: &Area<'_>,
        group: &Group,
        scale: Scale,
        top: i32,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let right = Pos::new(HPos::Right, VPos::Center);
        let label = style(17, FontStyle::Normal, &BLACK).pos(right);
        let middle = top + height(group) / 2;
        area.draw(&Text::new(group.label.as_str(), (LEFT - 10, middle), label))?;
        for (bar, y) in group
            .bars
            .iter()
            .zip((top..).step_by(PITCH.unsigned_abs() as usize))
        {
            let name = self.names.get(bar.series).map_or("", String::as_str);
            let end = scale.place(bar.value);
            let corners = [(LEFT, y), (end.max(LEFT + 1), y + BAR)];
            area.draw(&Rectangle::new(corners, color(name, bar.series).filled()))?;
            let best = scale.place(bar.best);
            let mark = [(best, y - 1), (best, y + BAR + 1)];
            area.draw(&PathElement::new(mark, BLACK.stroke_width(2)))?;
            let digits = self.digits;
            let mut text = format!("{:.digits$}", bar.value);
            if let Some(ratio) = bar.ratio {
                text.push_str(&format!(" ({ratio:.2}\u{d7})"));
            }
            let behind = end.max(best) + 6;
            let small = style(15, FontStyle::Normal, &BLACK).pos(LEFT_OF);
            area.draw(&Text::new(text, (behind, y + BAR / 2), small))?;
        }
        Ok(())
    }

    /// The series that have bars, each with its position and line in the legend.
    fn legend(&self) -> Vec<(usize, i32, i32)> {
        let mut places = Vec::new();
        let (mut x, mut line) = (20, 0);
        for (series, name) in self.names.iter().enumerate() {
            let bars = self.groups.iter().flat_map(|group| &group.bars);
            if bars.filter(|bar| bar.series == series).count() == 0 {
                continue;
            }
            let width = 34 + LETTER * i32::try_from(name.chars().count()).unwrap_or(0);
            if x > 20 && x + width > WIDTH {
                (x, line) = (20, line + 1);
            }
            places.push((series, x, line));
            x += width;
        }
        places
    }
}

fn height(group: &Group) -> i32 {
    PITCH * i32::try_from(group.bars.len()).unwrap_or(0)
}

/// Left-aligned text.
const LEFT_OF: Pos = Pos {
    h_pos: HPos::Left,
    v_pos: VPos::Center,
};

fn style(size: i32, style: FontStyle, color: &'static RGBColor) -> TextStyle<'static> {
    let font = ("sans-serif", size).into_font().style(style);
    TextStyle::from(font).color(color)
}

/// A proxy has the same colour in all plots, and its variants have similar ones.
fn color(name: &str, series: usize) -> RGBColor {
    const OTHERS: [RGBColor; 4] = [
        RGBColor(130, 90, 170),
        RGBColor(200, 80, 120),
        RGBColor(140, 110, 70),
        RGBColor(60, 160, 160),
    ];
    match name {
        "direct" => RGBColor(160, 160, 160),
        "doxy" => RGBColor(20, 90, 200),
        "doxy-log" => RGBColor(120, 170, 240),
        "haproxy" => RGBColor(225, 110, 20),
        "haproxy-deployed" => RGBColor(245, 185, 120),
        "nginx" => RGBColor(50, 145, 70),
        _ => OTHERS.get(series % OTHERS.len()).copied().unwrap_or(GREY),
    }
}

/// A number in its shortest form.
fn number(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    format!("{rounded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(least: f64, most: f64, log: bool) -> Scale {
        Scale { least, most, log }
    }

    #[test]
    fn places() {
        let linear = scale(0.0, 10.0, false);
        assert_eq!(linear.place(0.0), LEFT);
        assert_eq!(linear.place(10.0), RIGHT);
        assert_eq!(linear.place(-1.0), LEFT);
        let log = scale(1.0, 100.0, true);
        assert_eq!(log.place(10.0), i32::midpoint(LEFT, RIGHT) + 1);
        assert_eq!(scale(0.0, 0.0, false).place(0.0), LEFT);
    }

    #[test]
    fn ticks_are_round() {
        let ticks = |least, most, log| -> Vec<String> {
            let ticks = scale(least, most, log).ticks();
            ticks.into_iter().map(number).collect()
        };
        assert_eq!(
            ticks(0.0, 31.0, false),
            ["0", "5", "10", "15", "20", "25", "30"]
        );
        assert_eq!(ticks(0.0, 0.7, false).len(), 8);
        assert_eq!(ticks(60.0, 1100.0, true), ["100", "200", "500", "1000"]);
        assert_eq!(ticks(5.0, 10_500.0, true), ["10", "100", "1000", "10000"]);
        assert_eq!(ticks(0.0, 0.0, false), ["0"]);
    }
}
