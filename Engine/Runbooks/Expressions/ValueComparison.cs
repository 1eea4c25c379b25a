namespace VmMigration.Engine.Runbooks.Expressions;

/// <summary>
/// Compares two values. Text compares without regard to case, as in PowerShell; next to text, any other value compares by its text, so that
/// an enumeration or an id can be compared with its name.
/// </summary>
internal static class ValueComparison
{
    public static object Compare(BinaryOperator comparison, object? left, object? right, SourceLocation location)
    {
        if (left is UnknownValue || right is UnknownValue) return UnknownValue.Instance;
        bool ordered = comparison is not (BinaryOperator.Equal or BinaryOperator.NotEqual);
        if (left is null || right is null)
        {
            if (ordered) throw NotComparable(left, right, location);
            return (left is null && right is null) == (comparison == BinaryOperator.Equal);
        }

        int? order = Order(left, right);
        if (order is null && ordered) throw NotComparable(left, right, location);
        return comparison switch
        {
            BinaryOperator.Equal => order is 0 || (order is null && left.Equals(right)),
            BinaryOperator.NotEqual => order is not 0 && (order is not null || !left.Equals(right)),
            BinaryOperator.Less => order < 0,
            BinaryOperator.LessOrEqual => order <= 0,
            BinaryOperator.Greater => order > 0,
            _ => (object)(order >= 0),
        };
    }

    /// <summary>Less than, equal to or greater than zero; null where the two have no order.</summary>
    private static int? Order(object left, object right)
    {
        if (left is string || right is string)
        {
            return string.Compare(ValueText.Format(left), ValueText.Format(right), StringComparison.OrdinalIgnoreCase);
        }

        if (left is decimal or long or int or short or byte or sbyte or ushort or uint or ulong
            && right is decimal or long or int or short or byte or sbyte or ushort or uint or ulong)
        {
            return ToDecimal(left).CompareTo(ToDecimal(right));
        }

        if (IsNumber(left) && IsNumber(right)) return ToDouble(left).CompareTo(ToDouble(right));
        return left.GetType() == right.GetType() && left is IComparable comparable and not bool ? comparable.CompareTo(right) : null;
    }

    private static bool IsNumber(object value) =>
        value is double or float or decimal or long or int or short or byte or sbyte or ushort or uint or ulong;

    private static decimal ToDecimal(object value) => Convert.ToDecimal(value, System.Globalization.CultureInfo.InvariantCulture);

    private static double ToDouble(object value) => Convert.ToDouble(value, System.Globalization.CultureInfo.InvariantCulture);

    private static ExpressionException NotComparable(object? left, object? right, SourceLocation location) => new(location, "NotComparable",
        $"'{ValueText.Format(left)}' and '{ValueText.Format(right)}' have no order.",
        "Compare numbers with numbers, durations with durations and text with text.");
}
