#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "base/html_report.h"
#include "quant/recipe_settings.h"
#include "quant/report.h"

namespace octavo::quant {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kFewMatrices = 24, kMostOutliers = 24, kBins = 40;

std::string fixed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string megabytes(uint64_t bytes) { return fixed("%.2f MB", static_cast<double>(bytes) / 1e6); }

double known(double error) { return error >= 0 ? error : kMissing; }
std::string shown(double error) { return error >= 0 ? fixed("%.5f", error) : ""; }

// "self_attn.q_proj" of "model.layers.3.self_attn.q_proj".
std::string module_of(const MatrixReport& m) {
  const std::string number = "." + std::to_string(m.layer) + ".";
  const size_t at = m.layer < 0 ? std::string::npos : m.name.find(number);
  return at == std::string::npos ? m.name : m.name.substr(at + number.size());
}

class Page {
 public:
  Page(const Recipe& recipe, const QuantizeReport& report) : recipe_(recipe), report_(report) {}

  std::string text() {
    settings();
    for (const std::string& note : report_.notes) page_.paragraph(note);
    evaluation();
    layers();
    modules();
    scales();
    clips();
    outliers();
    matrices();
    return page_.text();
  }

 private:
  using Value = double (*)(const MatrixReport&);

  void settings() {
    const std::string zero = recipe_.symmetric ? "fixed at the middle" : "one a group";
    std::vector<std::vector<std::string>> rows = {
        {"method", std::string(name(recipe_.method))},
        {"format", std::string(name(recipe_.format))},
        {"bits a weight", bits_spent()},
        {"group size",
         recipe_.group_size > 0 ? std::to_string(recipe_.group_size) : "one group a row"},
        {"zero", zero},
        {"size", megabytes(report_.bytes_before) + " → " + megabytes(report_.bytes_after)},
        {"time", fixed("%.2f s", report_.seconds)}};
    if (report_.peak_bytes > 0) rows.push_back({"peak memory", megabytes(report_.peak_bytes)});
    if (!report_.calibration.empty())
      rows.push_back({"calibrated on", std::to_string(report_.samples) + " samples, " +
                                           std::to_string(report_.tokens) + " tokens of " +
                                           report_.calibration});
    page_.table({"setting", "value"}, rows);
  }

  // "4.25 (4: 120 matrices, 8: 8, dense: 2)"
  std::string bits_spent() const {
    std::map<int, int64_t> counts;
    double bits = 0, weights = 0;
    for (const MatrixReport& m : report_.matrices) {
      ++counts[m.bits];
      const auto size = static_cast<double>(m.out) * static_cast<double>(m.in);
      if (m.bits > 0) bits += m.bits * size, weights += size;
    }
    std::string each;
    for (const auto& [width, count] : counts)
      each += (each.empty() ? "" : ", ") + std::to_string(count) +
              (width > 0 ? " in " + std::to_string(width) + " bits" : " dense");
    return fixed("%.2f", weights > 0 ? bits / weights : 0) + " (matrices: " + each + ")";
  }

  void evaluation() {
    if (!report_.evaluation) return;
    const Perplexity& p = *report_.evaluation;
    page_.heading("Against the original");
    std::vector<std::vector<std::string>> rows = {
        {"perplexity", fixed("%.4f", p.perplexity) + fixed(" ± %.4f", p.standard_error)}};
    if (const auto& c = p.comparison) {
      rows.push_back({"perplexity of the original", fixed("%.4f", c->baseline_perplexity)});
      rows.push_back({"change of perplexity",
                      fixed("%+.2f %%", 100 * (p.perplexity / c->baseline_perplexity - 1))});
      rows.push_back(
          {"KL divergence, nats a token", fixed("%.5f", c->kl) + fixed(" ± %.5f", c->kl_error)});
      rows.push_back({"same most likely token", fixed("%.2f %%", 100 * c->top1_agreement)});
    }
    rows.push_back({"tokens scored", std::to_string(p.tokens)});
    page_.table({"measure", "value"}, rows);
  }

  void layers() {
    HtmlReport::Lines errors{.x_label = "layer",
                             .y_label = "share of the layer's update",
                             .series = {{"as made", {}}, {"plain rounding", {}}}};
    HtmlReport::Lines time{.x_label = "layer", .y_label = "seconds", .series = {{"time", {}}}};
    for (const LayerReport& layer : report_.layers) {
      errors.series[0].values.push_back(known(layer.output_error));
      errors.series[1].values.push_back(known(layer.rounding_error));
      time.series[0].values.push_back(layer.seconds);
    }
    if (report_.layers.empty()) return;
    errors.first_x = time.first_x = report_.layers.front().layer;
    drop_unknown(errors.series);
    page_.heading("Layers");
    page_.paragraph("How much a layer's output changes on the calibration data.");
    page_.lines("Output error by layer", errors);
    page_.lines("Time by layer", time);
  }

  static void drop_unknown(std::vector<HtmlReport::Series>& series) {
    std::erase_if(series, [](const HtmlReport::Series& one) {
      return std::ranges::none_of(one.values, [](double v) { return std::isfinite(v); });
    });
  }

  void modules() {
    page_.heading("Matrices");
    grid("Bits by matrix", [](const MatrixReport& m) { return static_cast<double>(m.bits); });
    if (has([](const MatrixReport& m) { return m.output_error; })) {
      page_.paragraph(
          "Output error: ‖(W - Ŵ) X‖² / ‖W X‖² on the calibration data. Gain: the same error of "
          "plain rounding to nearest, divided by it.");
      grid("Output error by matrix", [](const MatrixReport& m) { return known(m.output_error); });
      grid("Gain over plain rounding by matrix", [](const MatrixReport& m) {
        const bool both = m.output_error > 0 && m.rounding_error >= 0;
        return both ? m.rounding_error / m.output_error : kMissing;
      });
    }
    page_.paragraph("Weight error: ‖W - Ŵ‖ / ‖W‖.");
    const Value weights = [](const MatrixReport& m) {
      return m.bits > 0 ? m.relative_error : kMissing;
    };
    grid("Weight error by matrix", weights);
  }

  bool has(Value value) const {
    return std::ranges::any_of(report_.matrices,
                               [&](const MatrixReport& m) { return value(m) >= 0; });
  }

  bool all_equal(Value value) const {
    return std::ranges::all_of(report_.matrices, [&](const MatrixReport& m) {
      return value(m) == value(report_.matrices.front());
    });
  }

  // Modules by layers; bars where there are too few layers for that.
  void grid(const std::string& caption, Value value) {
    std::map<int64_t, std::map<std::string, double>> by_layer;
    std::vector<std::string> names;
    for (const MatrixReport& m : report_.matrices) {
      if (m.layer < 0) continue;
      const std::string module = module_of(m);
      if (std::ranges::find(names, module) == names.end()) names.push_back(module);
      by_layer[m.layer][module] = value(m);
    }
    if (by_layer.size() < 2) return bars(caption, value);
    if (all_equal(value)) return;
    HtmlReport::Grid plot{.x_label = "layer", .first_x = by_layer.begin()->first, .rows = {}};
    const int64_t last = by_layer.rbegin()->first;
    for (const std::string& name : names) {
      HtmlReport::Series row{.name = name, .values = {}};
      for (int64_t layer = plot.first_x; layer <= last; ++layer) {
        const auto& of_layer = by_layer[layer];
        const auto found = of_layer.find(name);
        row.values.push_back(found == of_layer.end() ? kMissing : found->second);
      }
      plot.rows.push_back(std::move(row));
    }
    page_.grid(caption, plot);
  }

  void bars(const std::string& caption, Value value) {
    std::vector<HtmlReport::Bar> bars;
    for (const MatrixReport& m : report_.matrices) {
      if (bars.size() < kFewMatrices && std::isfinite(value(m))) bars.push_back({m.name, value(m)});
    }
    if (!bars.empty()) page_.bars(caption, bars);
  }

  void scales() {
    if (report_.scales.empty()) return;
    page_.heading("Scales");
    page_.paragraph(
        "AWQ multiplies columns of a matrix by s and divides what feeds them by s. Ratio: the "
        "share of the activations in s. Loss: error of the outputs with these scales, beside that "
        "with none.");
    std::vector<double> logs, ratios;
    std::vector<std::vector<std::string>> rows;
    for (const ScaleReport& scale : report_.scales) {
      for (const float s : scale.scales) logs.push_back(s > 0 ? std::log2(s) : kMissing);
      ratios.push_back(scale.ratio >= 0 ? scale.ratio : kMissing);
      rows.push_back({scale.from, scale.to,
                      scale.ratio >= 0 ? fixed("%.3f", scale.ratio) : "no scales",
                      fixed("%.3g", scale.loss), fixed("%.3g", scale.loss_one)});
    }
    draw("Scales", "log2 of s", logs);
    draw("Ratios chosen", "ratio", ratios);
    page_.folded("All scales", [&] {
      page_.table({"from", "to", "ratio", "loss", "loss without"}, rows);
    });
  }

  void draw(const std::string& caption, const std::string& label,
            const std::vector<double>& values) {
    HtmlReport::Histogram plot = histogram_of(values, kBins);
    plot.x_label = label;
    page_.histogram(caption, plot);
  }

  void clips() {
    std::vector<int64_t> counts;
    for (const MatrixReport& m : report_.matrices) {
      counts.resize(std::max(counts.size(), m.clipped.size()));
      for (size_t i = 0; i < m.clipped.size(); ++i) counts[i] += m.clipped[i];
    }
    if (counts.empty()) return;
    page_.heading("Clipping");
    page_.paragraph("Groups by the limit that was chosen, as a share of their largest weight.");
    std::ranges::reverse(counts);
    const double low = 1 - static_cast<double>(counts.size() - 1) / 20;
    page_.histogram(
        "Limits",
        {.x_label = "limit / largest weight", .low = low - 0.025, .high = 1.025, .counts = counts});
  }

  void outliers() {
    std::vector<std::pair<double, std::vector<std::string>>> rows;
    for (const MatrixReport& m : report_.matrices) {
      for (const MatrixReport::Outlier& o : m.outliers)
        rows.push_back({o.ratio, {m.name, std::to_string(o.channel), fixed("%.1f", o.ratio)}});
    }
    if (rows.empty()) return;
    std::ranges::stable_sort(rows, std::greater{}, [](const auto& row) { return row.first; });
    rows.resize(std::min(rows.size(), kMostOutliers));
    std::vector<std::vector<std::string>> cells;
    for (auto& [ratio, row] : rows) cells.push_back(std::move(row));
    page_.heading("Outlier channels");
    page_.paragraph("Inputs whose mean |x| is largest beside the median channel of their matrix.");
    page_.table({"matrix", "channel", "× median"}, cells);
  }

  void matrices() {
    std::vector<std::vector<std::string>> rows;
    for (const MatrixReport& m : report_.matrices) {
      const bool dense = m.bits == 0;
      rows.push_back({m.name, std::to_string(m.out) + " × " + std::to_string(m.in),
                      dense ? "dense" : std::to_string(m.bits), shown(m.output_error),
                      shown(m.rounding_error), dense ? "" : fixed("%.5f", m.relative_error),
                      dense ? "" : fixed("%.5f", m.largest_error),
                      m.fell_back ? "rounded to nearest" : ""});
    }
    page_.folded("All matrices", [&] {
      page_.table({"matrix", "shape", "bits", "output error", "of plain rounding", "weight error",
                   "largest", ""},
                  rows);
    });
  }

  const Recipe& recipe_;
  const QuantizeReport& report_;
  HtmlReport page_{"Quantization report"};
};

}  // namespace

std::string report_page(const Recipe& recipe, const QuantizeReport& report) {
  return Page(recipe, report).text();
}

}  // namespace octavo::quant
