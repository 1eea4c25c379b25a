using System.Management.Automation;
using VmMigration.Cmdlets.Tests.Hosting;

namespace VmMigration.Cmdlets.Tests;

public sealed class DurationTests
{
    [Theory]
    [InlineData("30", 30_000)]
    [InlineData("0.05", 50)]
    [InlineData("30s", 30_000)]
    [InlineData("2d", 2000)]
    [InlineData("50ms", 50)]
    [InlineData("'50ms'", 50)]
    [InlineData("'2 min'", 120_000)]
    [InlineData("'1.5s'", 1500)]
    [InlineData("'00:00:30'", 30_000)]
    [InlineData("([timespan]::FromSeconds(2))", 2000)]
    public void A_duration_is_written_as_people_think_of_it(string argument, int milliseconds)
    {
        using ModuleSession session = ModuleSession.WithRunningVm();
        PreflightReport report = session.RunClean($"Test-VmMigration $vm $b -DowntimeLimit {argument}").Single<PreflightReport>();
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), report.Options.DowntimeLimit);
    }

    [Theory]
    [InlineData("soon")]
    [InlineData("5 parsecs")]
    public void What_is_no_duration_is_refused_with_the_parameter_s_name(string argument)
    {
        using ModuleSession session = ModuleSession.WithHosts();
        ErrorRecord error = session.RunFailing($"Wait-VmMigration x -Timeout '{argument}'");
        Assert.Equal("Timeout", Assert.IsType<ParameterBindingException>(error.Exception, exactMatch: false).ParameterName);
    }
}
