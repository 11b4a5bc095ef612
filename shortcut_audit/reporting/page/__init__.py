"""Report -> one HTML page: views of plain values, drawings as SVG, pictures, a template."""
