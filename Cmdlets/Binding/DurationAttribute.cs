using System.Globalization;
using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>
/// Lets a duration be written as people think of it: a number of seconds (<c>30</c>, <c>0.05</c>), a number with a unit (<c>50ms</c>,
/// <c>2min</c>) or a TimeSpan (<c>00:00:30</c>). Without it PowerShell would take a number for 100-nanosecond ticks.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DurationAttribute : ArgumentTransformationAttribute
{
    /// <summary>Turns the argument into a TimeSpan; leaves what it does not understand to the binder, which names the parameter.</summary>
    /// <param name="engineIntrinsics">Not used.</param>
    /// <param name="inputData">What the user wrote.</param>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        // Every kind of number: PowerShell reads 30s without quotes as a 16-bit 30.
        return Type.GetTypeCode(value?.GetType()) switch
        {
            >= TypeCode.SByte and <= TypeCode.Decimal => TimeSpan.FromSeconds(Convert.ToDouble(value, CultureInfo.InvariantCulture)),
            TypeCode.String => (object?)Parse(((string)value!).Trim()) ?? inputData,
            _ => inputData,
        };
    }

    private static TimeSpan? Parse(string text)
    {
        int unitStart = text.AsSpan().LastIndexOfAnyInRange('0', '9') + 1;
        if (!double.TryParse(text.AsSpan(0, unitStart), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)) return null;
        return text[unitStart..].Trim() switch
        {
            "" or "s" => TimeSpan.FromSeconds(number),
            "ms" => TimeSpan.FromMilliseconds(number),
            "min" or "m" => TimeSpan.FromMinutes(number),
            "h" => TimeSpan.FromHours(number),
            _ => null,
        };
    }
}
